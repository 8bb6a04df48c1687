// Small helpers on stable tensors that the CPU operators share.
#pragma once

#include <torch/headeronly/util/complex.h>

#include "../common/tensors.h"
#include "memory.h"

namespace phasenet {

template <typename T>
using Complex = c10::complex<T>;

// As with_compute_dtype, for operators that read float16 and bfloat16 themselves.
template <typename Body>
auto with_input_dtype(const char* name, ScalarType dtype, const Body& body) {
  const bool half = dtype == ScalarType::Half || dtype == ScalarType::BFloat16;
  STD_TORCH_CHECK(
      half || dtype == ScalarType::Byte || dtype == ScalarType::Float ||
          dtype == ScalarType::Double,
      name,
      ": expected dtype uint8, float16, bfloat16, float32 or float64");
  return with_compute_dtype(name, half ? ScalarType::Float : dtype, body);
}

// Uninitialised. What is large enough lies in huge pages.
inline Tensor empty_cpu(const std::vector<int64_t>& sizes, ScalarType dtype) {
  const Tensor result = torch::stable::empty(sizes, dtype);
  advise_huge_pages(result.mutable_data_ptr(), result.numel() * result.element_size());
  return result;
}

inline std::vector<Tensor> empty_cpu(const std::vector<TensorSpec>& specs) {
  std::vector<Tensor> result;
  for (const TensorSpec& spec : specs) {
    result.push_back(empty_cpu(spec.shape, spec.dtype));
  }
  return result;
}

inline Tensor slice(const Tensor& x, int64_t begin, int64_t end) {
  Tensor whole = x;
  return torch::stable::narrow(whole, 0, begin, end - begin);
}

}  // namespace phasenet
