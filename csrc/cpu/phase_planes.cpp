#include "phase_planes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "cosine_bands.h"
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
LevelPlanes<T> empty_level(int64_t frames, int64_t nbands, Size mirrored) {
  const Size size{mirrored.h / 2, mirrored.w / 2};
  const auto plane = [&](ScalarType dtype) { return empty_planes(frames * nbands, size, dtype); };
  const ScalarType real = Dtypes<T>::real;
  return {
      size,
      nbands,
      plane(real),
      plane(real),
      plane(real),
      plane(real),
      plane(ScalarType::Char),
      empty_cpu({frames, nbands, 2}, ScalarType::Int)};
}

template <typename T>
FramePlanes<T> frame_planes(const LevelPlanes<T>& planes, int64_t frame, int64_t band) {
  const int64_t offset = planes.offset(frame, band);
  return {
      planes.phase.template mutable_data_ptr<T>() + offset,
      planes.amplitude.template mutable_data_ptr<T>() + offset,
      planes.denoised.template mutable_data_ptr<T>() + offset,
      planes.inverse.template mutable_data_ptr<T>() + offset};
}

// Planes of frames `first` on from the mirrored bands of a chunk.
template <typename T>
void fill_planes(const Tensor& bands, int64_t first, const LevelPlanes<T>& planes) {
  const Size whole = image_size(bands), size = planes.size;
  const auto* source = bands.const_data_ptr<Complex<T>>();
  torch::stable::parallel_for(0, bands.size(0) * planes.nbands, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> scratch = kernel_scratch<T>(size), parts(2 * size.area());
    T* re = parts.data();
    T* im = re + size.area();
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t y = 0; y < size.h; ++y) {
        const Complex<T>* row = source + i * whole.area() + y * whole.w;
        for (int64_t x = 0; x < size.w; ++x) {
          re[y * size.w + x] = row[x].real();
          im[y * size.w + x] = row[x].imag();
        }
      }
      const FramePlanes<T> out = frame_planes(planes, first + i / planes.nbands, i % planes.nbands);
      kernels<T>().frame_planes(re, im, size.w, size.h, size.w, out, scratch.data());
    }
  });
}

// Any size: mirrored frames, ATen's transforms, a chunk of frames at a time.
template <typename T>
void planes_by_fourier(
    const Tensor& frames,
    const SpectralTables<T>& tables,
    const std::vector<int64_t>& levels,
    const std::vector<LevelPlanes<T>>& planes) {
  const int64_t count = frames.size(0);
  const int64_t bytes = tables.image.area() * static_cast<int64_t>(sizeof(T));
  const int64_t chunk = std::clamp<int64_t>(kChunkBytes / bytes, 1, std::max<int64_t>(count, 1));
  for (int64_t first = 0; first < count; first += chunk) {
    const int64_t last = std::min(first + chunk, count);
    const Tensor spectra = rfft2(mirrored_chunk<T>(frames, first, last));
    for (size_t i = 0; i < planes.size(); ++i) {
      const Tensor bands = analytic_bands<T>(spectra, tables, levels[i]);
      fill_planes(bands, first, planes[i]);
    }
  }
}

// Small frames: one frame after the other by matrix products, all of it in the cache.
template <typename T>
void planes_by_cosines(
    const Tensor& frames, const CosineBands<T>& plan, const std::vector<LevelPlanes<T>>& planes) {
  const Size size = image_size(frames);
  const bool is_bytes = frames.scalar_type() == ScalarType::Byte;
  const uint8_t* bytes = is_bytes ? frames.const_data_ptr<uint8_t>() : nullptr;
  const T* values = is_bytes ? nullptr : frames.const_data_ptr<T>();
  torch::stable::parallel_for(0, frames.size(0), 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> scratch(plan.scratch_size()), kernel = kernel_scratch<T>(size);
    const Scratch<T> converted(size.area());
    for (int64_t frame = begin; frame < end; ++frame) {
      if (is_bytes) {
        for (int64_t i = 0; i < size.area(); ++i) {
          converted.data()[i] = static_cast<T>(bytes[frame * size.area() + i]) / T(255);
        }
      }
      plan.spectrum(is_bytes ? converted.data() : values + frame * size.area(), scratch.data());
      for (size_t level = 0; level < planes.size(); ++level) {
        const Size kept = planes[level].size;
        for (int64_t band = 0; band < planes[level].nbands; ++band) {
          const auto parts = plan.band(level, band, scratch.data());
          kernels<T>().frame_planes(
              parts.re,
              parts.im,
              parts.stride,
              kept.h,
              kept.w,
              frame_planes(planes[level], frame, band),
              kernel.data());
        }
      }
    }
  });
}

// Whether matrix products are faster than Fourier transforms of the mirrored frame. The rates, in
// operations per nanosecond of one thread, are estimates still to be calibrated. The variable
// PHASENET_TRANSFORM=cosine|fourier decides instead, for measurements and tests.
bool cosines_pay(Size frame, const PhaseOptions& options) {
  const char* asked = std::getenv("PHASENET_TRANSFORM");
  if (asked != nullptr) {
    return std::strcmp(asked, "cosine") == 0;
  }
  constexpr double kMatrixRate = 80, kFourierRate = 4;
  const double products =
      CosineBands<float>::cost(frame, options.height, options.nbands, options.levels);
  const std::vector<Size> sizes = level_sizes({2 * frame.h, 2 * frame.w}, options.height);
  const auto transform = [](Size size) {
    const double area = static_cast<double>(size.area());
    return 5 * area * std::log2(area);
  };
  double fourier = transform(sizes[0]) / 2;
  for (const int64_t level : options.levels) {
    fourier += static_cast<double>(options.nbands) * transform(sizes[level - 1]);
  }
  return products / kMatrixRate < fourier / kFourierRate;
}

template <typename T>
void fill_jumps(const LevelPlanes<T>& planes, int64_t length, bool only_down) {
  const int64_t stride = planes.nbands * planes.size.area();
  const T* phase = planes.phase.template const_data_ptr<T>();
  auto* jumps = planes.jumps.template mutable_data_ptr<int8_t>();
  auto* rows = planes.jump_rows.template mutable_data_ptr<int32_t>();
  torch::stable::parallel_for(
      0, planes.jump_rows.size(0) * planes.nbands, 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          if (i / planes.nbands % length > 0) {
            const int64_t offset = i * planes.size.area();
            kernels<T>().jumps(
                phase + offset - stride,
                phase + offset,
                only_down,
                planes.size.h,
                planes.size.w,
                jumps + offset,
                rows + 2 * i);
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
  STD_TORCH_CHECK(!levels.empty(), op, ": levels: expected at least one");
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
    planes.push_back(empty_level<T>(count, options.nbands, tables->levels[level - 1].size));
  }
  const Tensor flat = torch::stable::reshape(frames, {count, size.h, size.w});
  if (cosines_pay(size, options)) {
    const auto plan = CosineBands<T>::plan(*tables, options.height, options.levels);
    planes_by_cosines(flat, *plan, planes);
  } else {
    planes_by_fourier(flat, *tables, options.levels, planes);
  }
  for (const LevelPlanes<T>& level : planes) {
    fill_jumps(level, length, options.only_down);
  }
  return planes;
}

template std::vector<LevelPlanes<float>> phase_planes(const Tensor&, const PhaseOptions&);
template std::vector<LevelPlanes<double>> phase_planes(const Tensor&, const PhaseOptions&);

}  // namespace phasenet
