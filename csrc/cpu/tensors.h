// Small helpers on stable tensors that the CPU operators share.
#pragma once

#include <torch/headeronly/util/complex.h>

#include "../common/tensors.h"
#include "memory.h"

namespace phasenet {

template <typename T>
using Complex = c10::complex<T>;

inline Tensor empty_cpu(const std::vector<int64_t>& sizes, ScalarType dtype) {
  const Tensor result = torch::stable::empty(sizes, dtype);
  advise_huge_pages(result.mutable_data_ptr(), result.numel() * result.element_size());
  return result;
}

inline Tensor to_complex(const Tensor& real, ScalarType dtype) {
  return torch::stable::to(real, dtype);
}

inline Tensor slice(const Tensor& x, int64_t begin, int64_t end) {
  Tensor whole = x;
  return torch::stable::narrow(whole, 0, begin, end - begin);
}

}  // namespace phasenet
