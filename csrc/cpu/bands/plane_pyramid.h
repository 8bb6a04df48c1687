// Pyramids by the plane kernels: one thread takes one plane, or one image with all its planes, and
// whatever happens to it between being read and being written stays in that core's cache.
#pragma once

#include <algorithm>
#include <vector>

#include "../tensors.h"
#include "pyramid_plan.h"

namespace phasenet {

// Coefficients of N images, dense, in the order of PyramidPlan::parts; null where a part is not
// wanted: highpass [N, H, W], of each level complex numbers [N, bands, h, w], lowpass [N, h, w].
template <typename T>
struct PyramidPlanes {
  std::vector<T*> parts;
  std::vector<int64_t> orientations;  // that there are bands of, in this order; all if it is empty

  // How many bands a level has of the `nbands` of the pyramid.
  int64_t bands(int64_t nbands) const {
    return orientations.empty() ? nbands : static_cast<int64_t>(orientations.size());
  }
  // The place of a band among them; bands() if it is none of them.
  int64_t place(int64_t band) const {
    return orientations.empty()
               ? band
               : std::find(orientations.begin(), orientations.end(), band) - orientations.begin();
  }
};

// The pyramid of real images [N, H, W]. With `adjoint`, the adjoint of its inverse instead: bands
// are then real, and written as complex numbers.
template <typename T>
void analyze_planes(
    const T* images,
    int64_t count,
    const PyramidPlan<T>& plan,
    bool adjoint,
    const PyramidPlanes<T>& out);

// The inverse of the pyramid, to [N, H, W], or with `adjoint` the adjoint of the pyramid.
template <typename T>
void synthesize_planes(
    const PyramidPlanes<const T>& in,
    int64_t count,
    const PyramidPlan<T>& plan,
    bool adjoint,
    T* images);

}  // namespace phasenet
