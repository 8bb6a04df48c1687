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
  // A plane of this size, and what reaches it from the image.
  struct Residual {
    Size size;
    PlanePlan<T> plane;
    Scratch<T> weights;       // filter / (h w)
    std::vector<T> last_row;  // empty if zero
    PlaneFilter<T> filter() const {
      return {weights.data(), last_row.empty() ? nullptr : last_row.data(), nullptr};
    }
  };
  struct Level {
    Size size;
    PlanePlan<T> plane;
    int64_t band_size;   // elements of one band's filter
    int64_t band_tiles;  // and its tiles
    Scratch<T> weights;  // of all bands: 2 sqrt(c) cos(d)^n radial / (h w), signed by cos d
    std::vector<FrequencyRange> ranges;
    PlaneFilter<T> band(int64_t b) const {
      return {weights.data() + b * band_size, nullptr, ranges.data() + 2 * b * band_tiles};
    }
  };

  PyramidPlan(Size image, int64_t height, int64_t nbands);

  Size image;
  int64_t nbands;
  std::vector<Residual> residuals;  // highpass, lowpass
  std::vector<Level> levels;

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
std::shared_ptr<const PyramidPlan<T>> pyramid_plan(Size image, int64_t height, int64_t nbands);

}  // namespace phasenet
