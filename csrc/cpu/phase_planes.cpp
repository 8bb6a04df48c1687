#include "phase_planes.h"

#include <algorithm>

#include "fft.h"

namespace phasenet {
namespace {

// Frames are transformed in chunks whose mirrored spectra take about this much.
constexpr int64_t kChunkBytes = int64_t{4} << 20;

// Half-sample symmetric extension of frames first ... last - 1 to [n, 2H, 2W].
template <typename T, typename In>
Tensor mirrored(const Tensor& frames, int64_t first, int64_t last, T scale) {
  const Size size = image_size(frames);
  const Tensor result = empty_cpu({last - first, 2 * size.h, 2 * size.w}, Dtypes<T>::real);
  const In* from = frames.const_data_ptr<In>();
  T* to = result.mutable_data_ptr<T>();
  torch::stable::parallel_for(0, (last - first) * size.h, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / size.h, y = i % size.h;
      const In* row = from + (first * size.h + i) * size.w;
      T* upper = to + (n * 2 * size.h + y) * 2 * size.w;
      T* lower = to + (n * 2 * size.h + 2 * size.h - 1 - y) * 2 * size.w;
      for (int64_t x = 0; x < size.w; ++x) {
        const T value = static_cast<T>(row[x]) / scale;
        upper[x] = value;
        upper[2 * size.w - 1 - x] = value;
      }
      std::copy(upper, upper + 2 * size.w, lower);
    }
  });
  return result;
}

template <typename T>
Tensor mirrored_chunk(const Tensor& frames, int64_t first, int64_t last) {
  return frames.scalar_type() == ScalarType::Byte
             ? mirrored<T, uint8_t>(frames, first, last, T(255))
             : mirrored<T, T>(frames, first, last, T(1));
}

template <typename T>
LevelPlanes<T> empty_planes(int64_t frames, int64_t nbands, Size mirrored) {
  const Size size{mirrored.h / 2, mirrored.w / 2};
  const std::vector<int64_t> shape{frames, nbands, size.h, size.w};
  const auto plane = [&] { return empty_cpu(shape, Dtypes<T>::real); };
  return {size, plane(), plane(), plane(), plane(), empty_cpu(shape, ScalarType::Char)};
}

// Planes of frames `first` on from the mirrored bands of a chunk.
template <typename T>
void fill_planes(const Tensor& bands, int64_t first, int64_t nbands, const LevelPlanes<T>& planes) {
  const Size whole = image_size(bands), size = planes.size;
  const auto* source = bands.const_data_ptr<Complex<T>>();
  T* phase = planes.phase.template mutable_data_ptr<T>();
  T* amplitude = planes.amplitude.template mutable_data_ptr<T>();
  T* denoised = planes.denoised.template mutable_data_ptr<T>();
  T* inverse = planes.inverse.template mutable_data_ptr<T>();
  torch::stable::parallel_for(0, bands.size(0) * nbands, 1, [&](int64_t begin, int64_t end) {
    std::vector<T> scratch = kernel_scratch<T>(size);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t offset = (first * nbands + i) * size.area();
      kernels<T>().frame_planes(
          reinterpret_cast<const T*>(source + i * whole.area()),
          whole.w,
          size.h,
          size.w,
          {phase + offset, amplitude + offset, denoised + offset, inverse + offset},
          scratch.data());
    }
  });
}

template <typename T>
void fill_jumps(const LevelPlanes<T>& planes, int64_t nbands, int64_t length, bool only_down) {
  const int64_t stride = planes.stride(nbands);
  const T* phase = planes.phase.template const_data_ptr<T>();
  auto* jumps = planes.jumps.template mutable_data_ptr<int8_t>();
  torch::stable::parallel_for(0, planes.phase.size(0), 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if (i % length > 0) {
        const T* after = phase + i * stride;
        kernels<T>().jumps(after - stride, after, only_down, jumps + i * stride, stride);
      }
    }
  });
}

}  // namespace

PhaseOptions phase_options(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    const std::string& unwrap,
    const std::string& boundary) {
  constexpr const char* op = "phasenet::phase_difference_windows";
  STD_TORCH_CHECK(frames.dim() >= 3, op, ": frames: expected shape [..., T, H, W]");
  const Size size = image_size(frames);
  check_pyramid(op, {2 * size.h, 2 * size.w}, height, nbands);
  STD_TORCH_CHECK(num_phase >= 1, op, ": num_phase: expected at least 1, got ", num_phase);
  for (const int64_t level : levels) {
    STD_TORCH_CHECK(level >= 1 && level <= height - 2, op, ": levels: no level ", level);
  }
  STD_TORCH_CHECK(unwrap == "full" || unwrap == "reference", op, ": unwrap: unknown ", unwrap);
  STD_TORCH_CHECK(
      boundary == "replicate" || boundary == "valid", op, ": boundary: unknown ", boundary);
  const bool replicate = boundary == "replicate";
  STD_TORCH_CHECK(
      replicate || frames.size(frames.dim() - 3) > num_phase,
      op,
      ": frames: expected at least num_phase + 1 frames for boundary='valid'");
  return {num_phase, height, nbands, std::move(levels), unwrap == "reference", replicate};
}

template <typename T>
std::vector<LevelPlanes<T>> phase_planes(const Tensor& frames, const PhaseOptions& options) {
  const Size size = image_size(frames);
  const Size image{2 * size.h, 2 * size.w};
  const int64_t length = frames.size(1), count = frames.size(0) * length;
  const auto tables = spectral_tables<T>(image, options.height, options.nbands);
  std::vector<LevelPlanes<T>> planes;
  for (const int64_t level : options.levels) {
    planes.push_back(empty_planes<T>(count, options.nbands, tables->levels[level - 1].size));
  }

  const int64_t bytes = image.area() * static_cast<int64_t>(sizeof(T));
  const int64_t chunk = std::clamp<int64_t>(kChunkBytes / bytes, 1, std::max<int64_t>(count, 1));
  const Tensor flat = torch::stable::reshape(frames, {count, size.h, size.w});
  for (int64_t first = 0; first < count; first += chunk) {
    const int64_t last = std::min(first + chunk, count);
    const Tensor spectra = rfft2(mirrored_chunk<T>(flat, first, last));
    for (size_t i = 0; i < planes.size(); ++i) {
      const Size whole = tables->levels[options.levels[i] - 1].size;
      const Tensor bands =
          empty_cpu({last - first, options.nbands, whole.h, whole.w}, Dtypes<T>::complex);
      analytic_bands<T>(spectra, *tables, options.levels[i], bands);
      fill_planes(bands, first, options.nbands, planes[i]);
    }
  }
  for (const LevelPlanes<T>& level : planes) {
    fill_jumps(level, options.nbands, length, options.only_down);
  }
  return planes;
}

template std::vector<LevelPlanes<float>> phase_planes(const Tensor&, const PhaseOptions&);
template std::vector<LevelPlanes<double>> phase_planes(const Tensor&, const PhaseOptions&);

}  // namespace phasenet
