// Phases of complex coefficients.
#include "../common/tensors.h"
#include "filters.cuh"
#include "operators.h"
#include "polar.cuh"

namespace phasenet::cuda {
namespace {

constexpr int kThreads = 256;

template <typename T>
__global__ void angles(const Complex<T>* bands, int64_t count, T* out) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) {
    out[i] = phase_of_any(bands[i].im, bands[i].re);
  }
}

template <typename T>
Tensor phases_of(const Tensor& bands) {
  const Tensor from = dense(bands);
  const Tensor out = empty_like_device(from, leading(from, 0), Dtypes<T>::real);
  const Launch launch(from);
  launch(
      angles<T>,
      blocks_for(from.numel(), kThreads),
      dim3(kThreads),
      0,
      static_cast<const Complex<T>*>(from.const_data_ptr()),
      from.numel(),
      out.mutable_data_ptr<T>());
  return out;
}

}  // namespace

Tensor band_phase(const Tensor& bands) {
  if (bands.scalar_type() == ScalarType::ComplexDouble) {
    return phases_of<double>(bands);
  }
  STD_TORCH_CHECK(
      bands.scalar_type() == ScalarType::ComplexFloat,
      "phasenet::band_phase: bands: expected complex64 or complex128");
  return phases_of<float>(bands);
}

}  // namespace phasenet::cuda
