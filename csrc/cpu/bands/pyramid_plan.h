// What the plane kernels need for the pyramid of one size: twiddle factors of every side, and the
// filters in the layout of kernels/transforms.h with the factors of the inverse transforms in them.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "../../common/geometry.h"
#include "../kernels/kernels.h"
#include "../scratch.h"
#include "line_transform.h"

namespace phasenet {

template <typename T>
class PyramidPlan {
 public:
  // A residual or the bands of a scale: their size, and what reaches each plane from the image.
  struct Part {
    Size size;
    PlanePlan<T> plane;
    int64_t numbers;          // of all planes of an image; a band's are complex
    int64_t filter_size;      // elements of the filter of one plane
    Scratch<T> weights;       // the filter / (h w), of a band signed by its cos d and doubled
    std::vector<T> last_row;  // of a residual; empty if zero
    int64_t tiles;
    std::vector<FrequencyRange> ranges;  // of the bands
    PlaneFilter<T> filter(int64_t band) const {
      return {
          weights.data() + band * filter_size,
          last_row.empty() ? nullptr : last_row.data(),
          ranges.data() + 2 * band * tiles};
    }
  };

  PyramidPlan(Size image, int64_t height, int64_t nbands, Octave octave = {});

  Size image;
  int64_t nbands;
  std::vector<Part> parts;  // highpass, scales 1, 2, ..., lowpass

  int64_t spectrum_size() const {
    return kernels<T>().planes.spectrum_size(image.h, image.w);
  }
  int64_t scratch_size() const {  // for the transforms of any of its planes
    return scratch_size_;
  }
  size_t bytes() const {
    return bytes_;
  }

 private:
  PlanePlan<T> plane(Size size);

  std::map<int64_t, std::unique_ptr<LineTransform<T>>> lines_;
  int64_t scratch_size_ = 0;
  size_t bytes_ = 0;
};

// Plans are immutable and shared; those of the last few sizes asked for are kept.
template <typename T>
std::shared_ptr<const PyramidPlan<T>> pyramid_plan(
    Size image, int64_t height, int64_t nbands, Octave octave = {});

}  // namespace phasenet
