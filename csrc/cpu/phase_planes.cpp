#include "phase_planes.h"

#include <algorithm>
#include <limits>

#include "bands/phase_route.h"
#include "convert.h"
#include "tasks.h"

namespace phasenet {
namespace {

// Frame `index` of `frames` of a size as T, rows `stride` apart and zero behind the frame.
template <typename T>
void read_frame(const Source<T>& frames, Size size, int64_t index, T* to, int64_t stride) {
  for (int64_t y = 0; y < size.h; ++y) {
    frames((index * size.h + y) * size.w, size.w, to + y * stride);
    std::fill(to + y * stride + size.w, to + (y + 1) * stride, T(0));
  }
}

// A frame's planes of one band.
template <typename T>
void fill_band(
    const LevelPlanes<T>& level, int64_t frame, int64_t band, Parts<const T> parts, T* scratch) {
  const FramePlanes<T> planes{
      level.mutable_plane(level.phase, frame, band),
      level.mutable_plane(level.amplitude, frame, band),
      level.mutable_plane(level.denoised, frame, band),
      level.mutable_plane(level.inverse, frame, band)};
  kernels<T>().frame_planes(parts, level.size.h, level.size.w, planes, scratch);
}

}  // namespace

template <typename T>
std::vector<TensorSpec> LevelPlanes<T>::parts(int64_t frames, int64_t bands, Size mirrored) {
  const int64_t planes = frames * bands, h = mirrored.h / 2, w = mirrored.w / 2;
  const int64_t bytes = most_row_wraps(h, w) * static_cast<int64_t>(sizeof(RowWraps));
  const TensorSpec plane{{planes * h * w + kPlaneSlack}, Dtypes<T>::real};
  const TensorSpec wraps{{planes * bytes}, ScalarType::Byte}, counts{{planes}, ScalarType::Long};
  return {plane, plane, plane, plane, wraps, counts};
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
      row_wraps(storage.at(4)),
      wrap_counts(storage.at(5)) {
}

template <typename T>
bool LevelPlanes<T>::wraps_fit() const {
  const auto* counts = wrap_counts.const_data_ptr<int64_t>();
  const auto* all = reinterpret_cast<const RowWraps*>(row_wraps.const_data_ptr<uint8_t>());
  const int64_t most = most_row_wraps(size.h, size.w);
  for (int64_t i = 0; i < capacity * nbands; ++i) {
    const bool fits = counts[i] >= 0 && counts[i] < most;
    const auto* rows = all + i * most;
    if (!fits || !std::all_of(rows, rows + counts[i], [&](const RowWraps& of) {
          const int64_t beyond = std::clamp<int64_t>(size.w - of.column, 0, kWrapColumns);
          return of.row >= 0 && of.row < size.h && of.column >= 0 &&
                 of.column % kWrapColumns == 0 && (of.down | of.up) >> beyond == 0 && beyond > 0;
        })) {
      return false;
    }
  }
  return true;
}

template <typename T>
PhasePlanes<T>::PhasePlanes(const Tensor& videos, const PhaseOptions& options, int64_t capacity)
    : options_(options), length_(videos.size(1)), start_(0) {
  const Size size = image_size(videos);
  frames_ = torch::stable::reshape(videos, {videos.size(0) * length_, size.h, size.w});
  plan();
  const std::vector<Size> sizes = level_sizes({2 * size.h, 2 * size.w}, options.height);
  for (const int64_t level : options.levels) {
    const Size mirrored = sizes[level - 1];
    const auto storage = empty_cpu(LevelPlanes<T>::parts(capacity, options.nbands, mirrored));
    levels_.emplace_back(capacity, options.nbands, mirrored, storage);
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
  const Size size = image_size(frames_);
  const int64_t height = options_.height, nbands = options_.nbands;
  if (prefers_dct(size, options_)) {
    dct_ = DctBands<T>::plan(size, height, nbands, options_.levels);
  } else {
    fft_ = std::make_unique<const FftBands<T>>(size, height, nbands, options_.levels);
  }
}

template <typename T>
void PhasePlanes<T>::fill(int64_t first, int64_t last) {
  if (dct_ != nullptr) {
    fill_by_dct(first, last);
  } else {
    fill_by_fft(first, last);
  }
  for (const LevelPlanes<T>& level : levels_) {
    find_wraps(level, first, last);
  }
}

// Small frames: one frame after the other by matrix products, all of it in the cache.
template <typename T>
void PhasePlanes<T>::fill_by_dct(int64_t first, int64_t last) {
  const Source<T> frames(frames_);
  torch::stable::parallel_for(first, last, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> scratch(dct_->scratch_size());
    const Scratch<T> kernel = kernel_scratch<T>(image_size(frames_));
    std::fill_n(scratch.data(), dct_->scratch_size(), T(0));
    for (int64_t frame = begin; frame < end; ++frame) {
      T* to = dct_->frame(scratch.data());
      read_frame(frames, image_size(frames_), frame - start_, to, dct_->frame_stride());
      dct_->spectrum(scratch.data());
      for (size_t i = 0; i < levels_.size(); ++i) {
        for (int64_t band = 0; band < levels_[i].nbands; ++band) {
          const auto parts = dct_->band(i, band, scratch.data());
          fill_band(levels_[i], frame, band, parts, kernel.data());
        }
      }
    }
  });
}

// Larger frames by the plane kernels.
template <typename T>
void PhasePlanes<T>::fill_by_fft(int64_t first, int64_t last) {
  const FftBands<T>& bands = *fft_;
  const Source<T> frames(frames_);
  const int64_t count = last - first, kernel_size = kernel_scratch_size<T>(image_size(frames_));
  const int64_t scratch_size = kernel_size + bands.scratch_size();
  const auto transform = [&](int64_t n, T* spectrum, T* scratch) {
    T* own = scratch + kernel_size;
    read_frame(frames, image_size(frames_), first + n - start_, own, bands.frame_stride());
    bands.spectrum(own, spectrum);
  };
  const auto fill_plane = [&](int64_t n, int64_t plane, const T* spectrum, T* scratch) {
    const size_t level = plane / options_.nbands;
    const int64_t band = plane % options_.nbands;
    const auto parts = bands.band(level, band, spectrum, scratch + kernel_size);
    fill_band(levels_[level], first + n, band, parts, scratch);
  };
  const int64_t planes = static_cast<int64_t>(levels_.size()) * options_.nbands;
  for_images<T>(count, planes, bands.spectrum_size(), scratch_size, transform, fill_plane);
}

template <typename T>
void PhasePlanes<T>::find_wraps(const LevelPlanes<T>& planes, int64_t first, int64_t last) const {
  const Size size = planes.size;
  auto* row_wraps =
      reinterpret_cast<RowWraps*>(planes.row_wraps.template mutable_data_ptr<uint8_t>());
  auto* counts = planes.wrap_counts.template mutable_data_ptr<int64_t>();
  torch::stable::parallel_for(
      first * planes.nbands, last * planes.nbands, 8, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t frame = i / planes.nbands, band = i % planes.nbands;
          const int64_t at = planes.index(frame, band);
          counts[at] = frame % length_ == 0 ? 0
                                            : kernels<T>().find_wraps(
                                                  planes.plane(planes.phase, frame - 1, band),
                                                  planes.plane(planes.phase, frame, band),
                                                  options_.only_down,
                                                  size.h,
                                                  size.w,
                                                  row_wraps + at * most_row_wraps(size.h, size.w));
        }
      });
}

template struct LevelPlanes<float>;
template struct LevelPlanes<double>;
template class PhasePlanes<float>;
template class PhasePlanes<double>;

}  // namespace phasenet
