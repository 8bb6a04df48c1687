// Per-frame phase planes of a batch of videos: the part of the work that windows share.
#pragma once

#include <string>

#include "../common/phase_options.h"
#include "bands/dct_bands.h"
#include "bands/fft_bands.h"
#include "scratch.h"

namespace phasenet {

// One level's planes of the last `capacity` frames that were filled, with the kernels' slack
// behind. Frames are counted through all videos.
template <typename T>
struct LevelPlanes {
  LevelPlanes(int64_t frames, int64_t bands, Size mirrored, const std::vector<Tensor>& storage);

  // The six tensors below, in their order: what the storage has to be.
  static std::vector<TensorSpec> parts(int64_t frames, int64_t bands, Size mirrored);

  Size size;  // the quarter of the mirrored band that is kept
  int64_t nbands, capacity;
  Tensor phase, amplitude, denoised, inverse;  // flat [capacity, nbands, h, w]
  Tensor row_wraps;    // bytes of RowWraps [capacity, nbands, most_row_wraps(h, w)]
  Tensor wrap_counts;  // int64 [capacity, nbands]; from the frame before, none at the first

  int64_t index(int64_t frame, int64_t band) const {
    return frame % capacity * nbands + band;
  }
  const T* plane(const Tensor& of, int64_t frame, int64_t band) const {
    return of.const_data_ptr<T>() + index(frame, band) * size.area();
  }
  T* mutable_plane(const Tensor& of, int64_t frame, int64_t band) const {
    return of.mutable_data_ptr<T>() + index(frame, band) * size.area();
  }
  // Whether every wrap lies in its plane: what is stored of them is used as an index, and memory
  // that was given may hold anything.
  bool wraps_fit() const;

  struct Wraps {
    const RowWraps* rows;
    int64_t count;
  };
  Wraps wraps(int64_t frame, int64_t band) const {
    const int64_t i = index(frame, band);
    const auto* all = reinterpret_cast<const RowWraps*>(row_wraps.const_data_ptr<uint8_t>());
    return {all + i * most_row_wraps(size.h, size.w), wrap_counts.const_data_ptr<int64_t>()[i]};
  }
};

// Bytes of the four planes that are kept of one frame [H, W].
template <typename T>
int64_t phase_frame_bytes(Size frame, const PhaseOptions& options) {
  const std::vector<Size> sizes = level_sizes({2 * frame.h, 2 * frame.w}, options.height);
  int64_t elements = 0;
  for (const int64_t level : options.levels) {
    elements += 4 * options.nbands * (sizes[level - 1].h / 2) * (sizes[level - 1].w / 2);
  }
  return elements * static_cast<int64_t>(sizeof(T));
}

// The planes of a batch of videos [N, T, H, W], computed for one run of frames after the other.
template <typename T>
class PhasePlanes {
 public:
  // Keeps the last `capacity` frames.
  PhasePlanes(const Tensor& videos, const PhaseOptions& options, int64_t capacity);

  // Goes on with the planes of an endless video, of which `frame` [1, H, W] is frame t.
  PhasePlanes(
      const Tensor& frame,
      const PhaseOptions& options,
      std::vector<LevelPlanes<T>> levels,
      int64_t t);

  // Computes frames first ... last - 1, which follow those computed before. Each frame is
  // transformed once.
  void fill(int64_t first, int64_t last);

  const std::vector<LevelPlanes<T>>& levels() const {
    return levels_;
  }

 private:
  void plan();
  void fill_by_dct(int64_t first, int64_t last);
  void fill_by_fft(int64_t first, int64_t last);
  void find_wraps(const LevelPlanes<T>& planes, int64_t first, int64_t last) const;

  Tensor frames_;  // [N * T, H, W]
  PhaseOptions options_;
  int64_t length_;  // T
  int64_t start_;   // the number of the first of frames_
  // What the route needs (see bands/phase_route.h); the other is null.
  std::shared_ptr<const DctBands<T>> dct_;
  std::unique_ptr<const FftBands<T>> fft_;
  std::vector<LevelPlanes<T>> levels_;
};

}  // namespace phasenet
