#include "phase_planes.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "../common/fft.h"
#include "convert.h"

namespace phasenet {
namespace {

// Frames are transformed in chunks whose mirrored spectra take about this much.
constexpr int64_t kChunkBytes = int64_t{4} << 20;

// Half-sample symmetric extension of frames first ... last - 1 to [n, 2H, 2W].
template <typename T>
Tensor mirrored(const Tensor& frames, int64_t first, int64_t last) {
  const Size size = image_size(frames);
  const Tensor result = empty_cpu({last - first, 2 * size.h, 2 * size.w}, Dtypes<T>::real);
  const Source<T> read(frames);
  T* to = result.mutable_data_ptr<T>();
  torch::stable::parallel_for(0, (last - first) * size.h, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / size.h, y = i % size.h;
      T* upper = to + (n * 2 * size.h + y) * 2 * size.w;
      T* lower = to + (n * 2 * size.h + 2 * size.h - 1 - y) * 2 * size.w;
      read((first * size.h + i) * size.w, size.w, upper);
      std::reverse_copy(upper, upper + size.w, upper + size.w);
      std::copy(upper, upper + 2 * size.w, lower);
    }
  });
  return result;
}

template <typename T>
FramePlanes<T> frame_planes(const LevelPlanes<T>& level, int64_t frame, int64_t band) {
  return {
      level.mutable_plane(level.phase, frame, band),
      level.mutable_plane(level.amplitude, frame, band),
      level.mutable_plane(level.denoised, frame, band),
      level.mutable_plane(level.inverse, frame, band)};
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

// Operations per nanosecond of one thread that the routes reach as a whole, measured on frames of
// 48 to 1024 pixels a side; Fourier transforms wait for memory whatever the instructions.
constexpr double kFourierRate = 13;

double matrix_rate() {
  const std::string set = instruction_set();
  return set == "avx512" ? 100 : set == "avx2" ? 50 : 22;
}

// Whether matrix products are faster than Fourier transforms of the mirrored frame. The variable
// PHASENET_TRANSFORM=cosine|fourier decides instead, for measurements and tests.
bool cosines_pay(Size frame, const PhaseOptions& options) {
  const char* asked = std::getenv("PHASENET_TRANSFORM");
  if (asked != nullptr && *asked != '\0') {
    const bool cosine = std::strcmp(asked, "cosine") == 0;
    STD_TORCH_CHECK(
        cosine || std::strcmp(asked, "fourier") == 0,
        "PHASENET_TRANSFORM: expected cosine or fourier, got '",
        asked,
        "'");
    return cosine;
  }
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
  return products / matrix_rate() < fourier / kFourierRate;
}

}  // namespace

template <typename T>
std::vector<typename LevelPlanes<T>::Part> LevelPlanes<T>::parts(
    int64_t frames, int64_t bands, Size mirrored) {
  const int64_t planes = frames * bands, h = mirrored.h / 2, w = mirrored.w / 2;
  const int64_t bytes = jump_cells(h, w) * static_cast<int64_t>(sizeof(JumpCell));
  const Part plane{planes * h * w + kPlaneSlack, Dtypes<T>::real};
  return {
      plane, plane, plane, plane, {planes * bytes, ScalarType::Byte}, {planes, ScalarType::Long}};
}

template <typename T>
LevelPlanes<T>::LevelPlanes(int64_t frames, int64_t bands, Size mirrored)
    : LevelPlanes(frames, bands, mirrored, [&] {
        std::vector<Tensor> storage;
        for (const Part& part : parts(frames, bands, mirrored)) {
          storage.push_back(empty_cpu({part.elements}, part.dtype));
        }
        return storage;
      }()) {
}

template <typename T>
LevelPlanes<T>::LevelPlanes(
    int64_t frames, int64_t bands, Size mirrored, const std::vector<Tensor>& storage)
    : size{mirrored.h / 2, mirrored.w / 2},
      nbands(bands),
      capacity(frames),
      phase(storage.at(0)),
      amplitude(storage.at(1)),
      denoised(storage.at(2)),
      inverse(storage.at(3)),
      cells(storage.at(4)),
      cell_counts(storage.at(5)) {
}

template <typename T>
PhasePlanes<T>::PhasePlanes(const Tensor& videos, const PhaseOptions& options, int64_t capacity)
    : options_(options), length_(videos.size(1)), start_(0) {
  const Size size = image_size(videos);
  frames_ = torch::stable::reshape(videos, {videos.size(0) * length_, size.h, size.w});
  plan();
  for (const int64_t level : options.levels) {
    levels_.emplace_back(capacity, options.nbands, tables_->levels[level - 1].size);
  }
}

template <typename T>
PhasePlanes<T>::PhasePlanes(
    const Tensor& frame, const PhaseOptions& options, std::vector<LevelPlanes<T>> levels, int64_t t)
    : frames_(frame),
      options_(options),
      length_(std::numeric_limits<int64_t>::max()),
      start_(t),
      levels_(std::move(levels)) {
  plan();
}

template <typename T>
void PhasePlanes<T>::plan() {
  const Size size = image_size(frames_), image{2 * size.h, 2 * size.w};
  tables_ = spectral_tables<T>(image, options_.height, options_.nbands);
  if (cosines_pay(size, options_)) {
    cosines_ = CosineBands<T>::plan(*tables_, options_.height, options_.levels);
  }
}

template <typename T>
void PhasePlanes<T>::fill(int64_t first, int64_t last) {
  if (cosines_ != nullptr) {
    fill_by_cosines(first, last);
  } else {
    fill_by_fourier(first, last);
  }
  for (const LevelPlanes<T>& level : levels_) {
    fill_jumps(level, first, last);
  }
}

// Any size: mirrored frames, Fourier transforms, a chunk of frames at a time.
template <typename T>
void PhasePlanes<T>::fill_by_fourier(int64_t first, int64_t last) {
  const int64_t bytes = tables_->image.area() * static_cast<int64_t>(sizeof(T));
  const int64_t chunk = std::max<int64_t>(kChunkBytes / bytes, 1);
  for (int64_t begin = first; begin < last; begin += chunk) {
    const int64_t end = std::min(begin + chunk, last);
    const Tensor spectra = rfft2(mirrored<T>(frames_, begin - start_, end - start_));
    for (size_t i = 0; i < levels_.size(); ++i) {
      fill_planes(analytic_bands<T>(spectra, *tables_, options_.levels[i]), begin, levels_[i]);
    }
  }
}

// Small frames: one frame after the other by matrix products, all of it in the cache.
template <typename T>
void PhasePlanes<T>::fill_by_cosines(int64_t first, int64_t last) {
  const Size size = image_size(frames_);
  const Source<T> read(frames_);
  torch::stable::parallel_for(first, last, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> scratch(cosines_->scratch_size()), kernel = kernel_scratch<T>(size);
    std::fill_n(scratch.data(), cosines_->scratch_size(), T(0));
    for (int64_t frame = begin; frame < end; ++frame) {
      T* to = cosines_->frame(scratch.data());
      for (int64_t y = 0; y < size.h; ++y) {
        read(((frame - start_) * size.h + y) * size.w, size.w, to + y * cosines_->frame_stride());
      }
      cosines_->spectrum(scratch.data());
      for (size_t i = 0; i < levels_.size(); ++i) {
        const LevelPlanes<T>& level = levels_[i];
        for (int64_t band = 0; band < level.nbands; ++band) {
          const auto parts = cosines_->band(i, band, scratch.data());
          kernels<T>().frame_planes(
              parts.re,
              parts.im,
              parts.stride,
              level.size.h,
              level.size.w,
              frame_planes(level, frame, band),
              kernel.data());
        }
      }
    }
  });
}

template <typename T>
void PhasePlanes<T>::fill_jumps(const LevelPlanes<T>& planes, int64_t first, int64_t last) const {
  const Size size = planes.size;
  auto* cells = reinterpret_cast<JumpCell*>(planes.cells.template mutable_data_ptr<uint8_t>());
  auto* counts = planes.cell_counts.template mutable_data_ptr<int64_t>();
  torch::stable::parallel_for(
      first * planes.nbands, last * planes.nbands, 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t frame = i / planes.nbands, band = i % planes.nbands;
          const int64_t at = planes.index(frame, band);
          counts[at] = frame % length_ == 0 ? 0
                                            : kernels<T>().jumps(
                                                  planes.plane(planes.phase, frame - 1, band),
                                                  planes.plane(planes.phase, frame, band),
                                                  options_.only_down,
                                                  size.h,
                                                  size.w,
                                                  cells + at * jump_cells(size.h, size.w));
        }
      });
}

template struct LevelPlanes<float>;
template struct LevelPlanes<double>;
template class PhasePlanes<float>;
template class PhasePlanes<double>;

}  // namespace phasenet
