#include "plane_pyramid.h"

#include <algorithm>

#include "../tasks.h"

namespace phasenet {
namespace {

// What is added up to an image is added in two parts however the work is shared out, so that the
// number of threads does not change a bit.
constexpr int64_t kGroups = 2;

// A pyramid's planes are numbered: highpass, the bands of each level, lowpass.
template <typename T>
int64_t planes_of(const PyramidPlan<T>& plan) {
  return 2 + static_cast<int64_t>(plan.parts.size() - 2) * plan.nbands;
}

// One plane of image n: where it lies, null if it is not wanted, and its filter.
template <typename T, typename Number>
struct Plane {
  Number* data;
  Size size;
  const PlanePlan<T>& lines;
  PlaneFilter<T> filter;
  FilterUse<T> use;
  int64_t step;  // 2: complex numbers
};

// `scaled`: by the plane's share of the image, which the filters' 1 / (h w) then makes that of the
// image. `quarters`: of a turn, of the bands.
template <typename T, typename Number>
Plane<T, Number> plane_of(
    const PyramidPlan<T>& plan,
    const PyramidPlanes<Number>& planes,
    int64_t n,
    int64_t index,
    bool scaled,
    int64_t quarters) {
  const bool residual = index == 0 || index == planes_of(plan) - 1;
  const int64_t band = residual ? 0 : (index - 1) % plan.nbands;
  const size_t number = (index + plan.nbands - 1) / plan.nbands;
  const auto& part = plan.parts[number];
  const double share = double(part.size.area()) / double(plan.image.area());
  const T scale = scaled ? T(share) : T(1);
  const FilterUse<T> use =
      residual ? FilterUse<T>{scale, 0, false}
               : FilterUse<T>{scale / 2, static_cast<int>(quarters % 4), plan.nbands % 2 == 1};
  const int64_t bands = planes.bands(plan.nbands), place = residual ? 0 : planes.place(band);
  const int64_t numbers = residual ? part.numbers : 2 * bands * part.size.area();
  Number* data = planes.parts[number];
  const bool is_wanted = data != nullptr && (residual || place < bands);
  data = is_wanted ? data + n * numbers + 2 * place * part.size.area() : nullptr;
  return {data, part.size, part.plane, part.filter(band), use, residual ? 1 : 2};
}

// Whether bands go through the analytic kernels. One orientation answers to all directions: its
// filter has both half planes, and its bands are real.
template <typename T>
bool is_analytic(const PyramidPlan<T>& plan, bool asked, int64_t step) {
  return asked && step == 2 && plan.nbands > 1;
}

// Both need this scratch: what the transforms need, then a spectrum.
template <typename T>
int64_t plane_scratch_size(const PyramidPlan<T>& plan) {
  return plan.scratch_size() + plan.spectrum_size();
}

}  // namespace

template <typename T>
void analyze_planes(
    const T* images,
    int64_t count,
    const PyramidPlan<T>& plan,
    bool adjoint,
    const PyramidPlanes<T>& out) {
  const auto& kernel = kernels<T>().planes;
  const auto forward = [&](int64_t n, T* spectrum, T* scratch) {
    kernel.forward(images + n * plan.image.area(), 1, plan.parts[0].plane, spectrum, scratch);
  };
  const auto part = [&](int64_t n, int64_t index, const T* spectrum, T* scratch) {
    // (-i)^(nbands - 1)
    const auto to = plane_of<T>(plan, out, n, index, adjoint, 3 * (plan.nbands - 1));
    if (to.data == nullptr) {
      return;
    }
    if (is_analytic(plan, !adjoint, to.step)) {
      const AnalyticBand<T> band{to.filter, to.use.quarters, to.lines, plan.image.w};
      kernel.analytic(spectrum, band, to.data, scratch);
      return;
    }
    T* filtered = scratch + plan.scratch_size();
    kernel.crop(
        {spectrum, plan.image.h, plan.image.w},
        to.filter,
        to.use,
        {filtered, to.size.h, to.size.w});
    kernel.inverse(filtered, to.lines, to.step, to.data, scratch);
  };
  for_images<T>(
      count, planes_of(plan), plan.spectrum_size(), plane_scratch_size(plan), forward, part);
}

template <typename T>
void synthesize_planes(
    const PyramidPlanes<const T>& in,
    int64_t count,
    const PyramidPlan<T>& plan,
    bool adjoint,
    T* images) {
  const auto& kernel = kernels<T>().planes;
  const int64_t scratch_size = plane_scratch_size(plan), elements = plan.spectrum_size();
  // The spectrum of every kGroups-th plane from `group` on.
  const auto sum = [&](int64_t n, int64_t group, T* spectrum, T* scratch) {
    std::fill_n(spectrum, elements, T(0));
    for (int64_t index = group; index < planes_of(plan); index += kGroups) {
      const auto from = plane_of<T>(plan, in, n, index, !adjoint, plan.nbands - 1);
      if (from.data == nullptr) {
        continue;
      }
      if (is_analytic(plan, adjoint, from.step)) {
        const AnalyticBand<T> band{from.filter, from.use.quarters, from.lines, plan.image.w};
        kernel.add_analytic(from.data, band, from.use.scale, spectrum, scratch);
        continue;
      }
      T* own = scratch + plan.scratch_size();
      kernel.forward(from.data, from.step, from.lines, own, scratch);
      kernel.add(
          {own, from.size.h, from.size.w},
          from.filter,
          from.use,
          {spectrum, plan.image.h, plan.image.w});
    }
  };
  // Adds the second group's to the first's.
  const auto finish = [&](int64_t n, T* spectrum, const T* second, T* scratch) {
    for (int64_t i = 0; i < elements; ++i) {
      spectrum[i] += second[i];
    }
    kernel.inverse(spectrum, plan.parts[0].plane, 1, images + n * plan.image.area(), scratch);
  };
  if (by_image(count)) {
    for_tasks<T>(count, scratch_size + kGroups * elements, [&](int64_t n, T* scratch) {
      T* first = scratch + scratch_size;
      T* second = first + elements;
      sum(n, 0, first, scratch);
      sum(n, 1, second, scratch);
      finish(n, first, second, scratch);
    });
    return;
  }
  const Scratch<T> sums(count * kGroups * elements);
  for_tasks<T>(count * kGroups, scratch_size, [&](int64_t task, T* scratch) {
    sum(task / kGroups, task % kGroups, sums.data() + task * elements, scratch);
  });
  for_tasks<T>(count, scratch_size, [&](int64_t n, T* scratch) {
    T* first = sums.data() + n * kGroups * elements;
    finish(n, first, first + elements, scratch);
  });
}

template void analyze_planes(
    const float*, int64_t, const PyramidPlan<float>&, bool, const PyramidPlanes<float>&);
template void analyze_planes(
    const double*, int64_t, const PyramidPlan<double>&, bool, const PyramidPlanes<double>&);
template void synthesize_planes(
    const PyramidPlanes<const float>&, int64_t, const PyramidPlan<float>&, bool, float*);
template void synthesize_planes(
    const PyramidPlanes<const double>&, int64_t, const PyramidPlan<double>&, bool, double*);

}  // namespace phasenet
