// Coefficients with turned phases: the step of phase-based motion magnification (Wadhwa et al.,
// SIGGRAPH 2013) that follows a filter in time, or with one.
#include "../../common/turns.h"
#include "../tasks.h"

namespace phasenet {
namespace {

// Calls body(plane, scratch) for each plane of h x w.
template <typename T, typename Body>
void for_planes(const Tensor& bands, int64_t reach, const Body& body) {
  const Size size = image_size(bands);
  const int64_t planes = product(leading(bands, 2));
  if (bands.numel() > 0) {
    for_tasks<T>(planes, kernels<T>().turn_scratch(size.w, reach), body);
  }
}

Tensor turn_phase(const Tensor& bands, const Tensor& turns, double smoothing) {
  constexpr const char* kName = "phasenet::turn_phase";
  check_turned(kName, bands, smoothing);
  const Tensor from = dense(bands);
  Tensor result = empty_cpu(leading(from, 0), bands.scalar_type());
  with_band_dtype(kName, bands, [&](auto zero) {
    using T = decltype(zero);
    check_turns<T>(kName, bands, turns);
    const Tensor by = dense(turns);
    const std::vector<T> taps = gaussian_taps<T>(smoothing);
    const Smoothing<T> blur{taps.data(), static_cast<int64_t>(taps.size()) - 1};
    const auto [h, w] = image_size(from);
    const auto* in = static_cast<const T*>(from.const_data_ptr());
    const auto* angles = by.const_data_ptr<T>();
    auto* out = static_cast<T*>(result.mutable_data_ptr());
    for_planes<T>(from, blur.reach, [&, h = h, w = w](int64_t plane, T* scratch) {
      const int64_t at = plane * h * w;
      kernels<T>().turn_plane(in + 2 * at, angles + at, h, w, blur, out + 2 * at, scratch);
    });
  });
  return result;
}

void turn_phase_push(
    Tensor bands,
    Tensor state,
    int64_t t,
    std::vector<double> filter,
    double gain,
    bool still,
    double smoothing,
    double limit) {
  constexpr const char* kName = "phasenet::turn_phase_push";
  check_turned(kName, bands, smoothing);
  check_limit(kName, limit);
  with_band_dtype(kName, bands, [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> numbers = section_numbers<T>(kName, filter);
    const size_t sections = numbers.size() / kSectionNumbers;
    check_state<T>(kName, bands, state, sections);
    const std::vector<T> taps = gaussian_taps<T>(smoothing);
    const Smoothing<T> blur{taps.data(), static_cast<int64_t>(taps.size()) - 1};
    const PhaseFilter<T> in_time{
        numbers.data(),
        static_cast<int64_t>(sections),
        static_cast<T>(gain),
        static_cast<T>(limit),
        still,
        t == 0};
    const auto [h, w] = image_size(bands);
    auto* data = static_cast<T*>(bands.mutable_data_ptr());
    auto* planes = state.mutable_data_ptr<T>();
    for_planes<T>(bands, blur.reach, [&, h = h, w = w](int64_t plane, T* scratch) {
      const int64_t at = plane * h * w;
      kernels<T>().turn_and_filter(
          data + 2 * at, planes + at, bands.numel(), h, w, in_time, blur, scratch);
    });
  });
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("turn_phase", TORCH_BOX(&phasenet::turn_phase));
  m.impl("turn_phase_push", TORCH_BOX(&phasenet::turn_phase_push));
}
