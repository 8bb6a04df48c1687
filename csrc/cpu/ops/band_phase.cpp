// Phases of complex coefficients, by the arctangent that the phase differences use.
#include <algorithm>

#include "../kernels/kernels.h"
#include "../tensors.h"

namespace phasenet {
namespace {

template <typename T>
Tensor band_phase_of(const Tensor& bands) {
  constexpr int64_t kBlock = 512;  // elements taken apart at a time
  const Tensor dense = torch::stable::contiguous(bands);
  const auto sizes = dense.sizes();
  const Tensor result = empty_cpu({sizes.begin(), sizes.end()}, Dtypes<T>::real);
  const auto* from = dense.const_data_ptr<Complex<T>>();
  T* to = result.mutable_data_ptr<T>();
  torch::stable::parallel_for(0, dense.numel(), 1 << 14, [&](int64_t begin, int64_t end) {
    T re[kBlock], im[kBlock];
    for (int64_t first = begin; first < end; first += kBlock) {
      const int64_t count = std::min(kBlock, end - first);
      for (int64_t i = 0; i < count; ++i) {
        re[i] = from[first + i].real();
        im[i] = from[first + i].imag();
      }
      kernels<T>().atan2(im, re, to + first, count);
    }
  });
  return result;
}

Tensor band_phase(const Tensor& bands) {
  const bool is_double = bands.scalar_type() == Dtypes<double>::complex;
  STD_TORCH_CHECK(
      is_double || bands.scalar_type() == Dtypes<float>::complex,
      "phasenet::band_phase: bands: expected dtype complex64 or complex128");
  return is_double ? band_phase_of<double>(bands) : band_phase_of<float>(bands);
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("band_phase", TORCH_BOX(&phasenet::band_phase));
}
