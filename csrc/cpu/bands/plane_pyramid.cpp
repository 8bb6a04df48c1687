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
  return 2 + static_cast<int64_t>(plan.levels.size()) * plan.nbands;
}

template <typename T>
struct Analysis {
  const PyramidPlan<T>& plan;
  bool adjoint;
  const PyramidPlanes<T>& out;
  const PlaneTransforms<T>& kernel = kernels<T>().planes;

  int64_t scratch_size() const {
    return plan.scratch_size() + plan.spectrum_size();
  }

  // What the kernels' normalisation by the plane's size lacks.
  T scale(Size size) const {
    return adjoint ? T(double(size.area()) / double(plan.image.area())) : T(1);
  }

  void plane(int64_t n, int64_t index, const T* spectrum, T* scratch) const {
    const int64_t bands = planes_of(plan) - 2;
    if (index == 0 || index == bands + 1) {
      const auto& residual = plan.residuals[index == 0 ? 0 : 1];
      T* to = index == 0 ? out.highpass : out.lowpass;
      if (to != nullptr) {
        const FilterUse<T> use{scale(residual.size), 0, false};
        const PlanePlan<T>& lines = residual.plane;
        cropped(
            spectrum,
            residual.filter(),
            use,
            residual.size,
            lines,
            1,
            to + n * residual.size.area(),
            scratch);
      }
      return;
    }
    const size_t level = (index - 1) / plan.nbands;
    const int64_t band = (index - 1) % plan.nbands;
    if (out.levels[level] == nullptr) {
      return;
    }
    const auto& filters = plan.levels[level];
    T* to = out.levels[level] + 2 * (n * plan.nbands + band) * filters.size.area();
    const int quarters = static_cast<int>(3 * (plan.nbands - 1) % 4);  // (-i)^(nbands - 1)
    if (adjoint) {
      const FilterUse<T> use{scale(filters.size) / 2, quarters, plan.nbands % 2 == 1};
      cropped(spectrum, filters.two_sided(band), use, filters.size, filters.plane, 2, to, scratch);
    } else {
      kernel.analytic(
          spectrum, plan.image.w, filters.band(band), quarters, filters.plane, to, scratch);
    }
  }

  void cropped(
      const T* spectrum,
      const ResidualFilter<T>& filter,
      FilterUse<T> use,
      Size size,
      const PlanePlan<T>& lines,
      int64_t step,
      T* to,
      T* scratch) const {
    T* filtered = scratch + plan.scratch_size();
    kernel.crop(spectrum, plan.image.h, plan.image.w, filter, use, size.h, size.w, filtered);
    kernel.inverse(filtered, lines, step, to, scratch);
  }
};

template <typename T>
struct Synthesis {
  const PyramidPlan<T>& plan;
  bool adjoint;
  const PyramidPlanes<const T>& in;
  const PlaneTransforms<T>& kernel = kernels<T>().planes;

  int64_t scratch_size() const {
    return plan.scratch_size() + plan.spectrum_size();
  }

  // The filters hold the inverse transforms' 1 / (h w); the adjoint, which ends in a transform that
  // is not normalised, needs just that.
  T scale(Size size) const {
    return adjoint ? T(1) : T(double(size.area()) / double(plan.image.area()));
  }

  void add_plane(int64_t n, int64_t index, T* spectrum, T* scratch) const {
    const int64_t bands = planes_of(plan) - 2;
    if (index == 0 || index == bands + 1) {
      const auto& residual = plan.residuals[index == 0 ? 0 : 1];
      const T* from = index == 0 ? in.highpass : in.lowpass;
      if (from != nullptr) {
        add(from + n * residual.size.area(),
            1,
            residual.filter(),
            {scale(residual.size), 0, false},
            residual.size,
            residual.plane,
            spectrum,
            scratch);
      }
      return;
    }
    const size_t level = (index - 1) / plan.nbands;
    const int64_t band = (index - 1) % plan.nbands;
    if (in.levels[level] == nullptr) {
      return;
    }
    const auto& filters = plan.levels[level];
    const T* from = in.levels[level] + 2 * (n * plan.nbands + band) * filters.size.area();
    const int quarters = static_cast<int>((plan.nbands - 1) % 4);  // i^(nbands - 1)
    const T half = scale(filters.size) / 2;
    if (adjoint) {
      kernel.add_analytic(
          from, filters.band(band), half, quarters, filters.plane, plan.image.w, spectrum, scratch);
    } else {
      add(from,
          2,
          filters.two_sided(band),
          {half, quarters, plan.nbands % 2 == 1},
          filters.size,
          filters.plane,
          spectrum,
          scratch);
    }
  }

  void add(
      const T* from,
      int64_t step,
      const ResidualFilter<T>& filter,
      FilterUse<T> use,
      Size size,
      const PlanePlan<T>& lines,
      T* spectrum,
      T* scratch) const {
    T* own = scratch + plan.scratch_size();
    kernel.forward(from, step, lines, own, scratch);
    kernel.add(own, size.h, size.w, filter, use, plan.image.h, plan.image.w, spectrum);
  }
};

}  // namespace

template <typename T>
void analyze_planes(
    const T* images,
    int64_t count,
    const PyramidPlan<T>& plan,
    bool adjoint,
    const PyramidPlanes<T>& out) {
  const Analysis<T> analysis{plan, adjoint, out};
  const PlanePlan<T>& lines = plan.residuals[0].plane;
  const int64_t planes = planes_of(plan), scratch_size = analysis.scratch_size();
  const auto forward = [&](int64_t n, T* spectrum, T* scratch) {
    kernels<T>().planes.forward(images + n * plan.image.area(), 1, lines, spectrum, scratch);
  };
  if (by_image(count)) {
    for_tasks<T>(count, scratch_size + plan.spectrum_size(), [&](int64_t n, T* scratch) {
      T* spectrum = scratch + scratch_size;
      forward(n, spectrum, scratch);
      for (int64_t index = 0; index < planes; ++index) {
        analysis.plane(n, index, spectrum, scratch);
      }
    });
    return;
  }
  const Scratch<T> spectra(count * plan.spectrum_size());
  const auto spectrum = [&](int64_t n) { return spectra.data() + n * plan.spectrum_size(); };
  for_tasks<T>(
      count, scratch_size, [&](int64_t n, T* scratch) { forward(n, spectrum(n), scratch); });
  for_tasks<T>(count * planes, scratch_size, [&](int64_t task, T* scratch) {
    const int64_t n = task / planes;
    analysis.plane(n, task % planes, spectrum(n), scratch);
  });
}

template <typename T>
void synthesize_planes(
    const PyramidPlanes<const T>& in,
    int64_t count,
    const PyramidPlan<T>& plan,
    bool adjoint,
    T* images) {
  const Synthesis<T> synthesis{plan, adjoint, in};
  const PlanePlan<T>& lines = plan.residuals[0].plane;
  const int64_t scratch_size = synthesis.scratch_size(), elements = plan.spectrum_size();
  // The spectrum of every kGroups-th plane from `group` on.
  const auto sum = [&](int64_t n, int64_t group, T* spectrum, T* scratch) {
    std::fill_n(spectrum, elements, T(0));
    for (int64_t index = group; index < planes_of(plan); index += kGroups) {
      synthesis.add_plane(n, index, spectrum, scratch);
    }
  };
  // Adds the second group's to the first's.
  const auto finish = [&](int64_t n, T* spectrum, const T* second, T* scratch) {
    for (int64_t i = 0; i < elements; ++i) {
      spectrum[i] += second[i];
    }
    kernels<T>().planes.inverse(spectrum, lines, 1, images + n * plan.image.area(), scratch);
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
