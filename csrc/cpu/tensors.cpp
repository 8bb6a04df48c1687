#include "tensors.h"

#include "memory.h"

namespace phasenet {

Tensor empty_cpu(const std::vector<int64_t>& sizes, ScalarType dtype) {
  const Tensor result = torch::stable::empty(sizes, dtype);
  advise_huge_pages(result.mutable_data_ptr(), result.numel() * result.element_size());
  return result;
}

}  // namespace phasenet
