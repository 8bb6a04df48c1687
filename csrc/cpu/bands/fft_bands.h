// The bands of a mirrored frame by the plane kernels' Fourier transforms, without what mirroring
// repeats: only the frame's own columns are transformed along y on the way in, and only those that
// are kept on the way back.
#pragma once

#include <memory>

#include "pyramid_plan.h"

namespace phasenet {

template <typename T>
class FftBands {
 public:
  FftBands(Size frame, int64_t height, int64_t nbands, const std::vector<int64_t>& levels)
      : frame_(frame),
        pyramid_(pyramid_plan<T>({2 * frame.h, 2 * frame.w}, height, nbands)),
        levels_(levels) {
  }

  // Elements of aligned memory: of a spectrum, and of the scratch that the steps below share.
  int64_t spectrum_size() const {
    return pyramid_->spectrum_size();
  }
  int64_t scratch_size() const {
    return 2 * part_size() + pyramid_->scratch_size();
  }

  // A frame [H, W] goes to the beginning of `scratch`, rows `frame_stride()` apart and zero behind
  // W; then its spectrum; then any of its bands, whose planes lie in `scratch` until the next call.
  int64_t frame_stride() const {
    return padded(frame_.w);
  }
  void spectrum(T* scratch, T* spectrum) const;
  Parts<const T> band(size_t level_index, int64_t band, const T* spectrum, T* scratch) const;

 private:
  static int64_t padded(int64_t columns) {
    return (columns + kFrameColumns - 1) / kFrameColumns * kFrameColumns;
  }
  int64_t part_size() const {
    return frame_.h * padded(frame_.w);
  }

  Size frame_;
  std::shared_ptr<const PyramidPlan<T>> pyramid_;
  std::vector<int64_t> levels_;
};

}  // namespace phasenet
