// Where the tensors of emulated operators lie in memory, and what is in them at first.
#pragma once

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace emulation {

using torch::stable::Tensor;

// Bytes of which addresses are multiples; 0: as torch's allocator for the CPU has it, and then
// nothing is behind a tensor, so that AddressSanitizer sees where it ends.
inline int64_t alignment = 0;

// What `make` makes of `sizes`, or so many elements of what it makes, `offset` elements behind such
// an address. Filled, so that results show what was not written.
template <typename Make>
Tensor placed(const std::vector<int64_t>& sizes, int64_t offset, const Make& make) {
  const bool anywhere = alignment + offset == 0;
  int64_t count = 1;
  for (const int64_t size : sizes) {
    count *= size;
  }
  Tensor memory = make(anywhere ? sizes : std::vector<int64_t>{count + alignment + offset});
  auto* data = static_cast<unsigned char*>(memory.mutable_data_ptr());
  const int64_t bytes = static_cast<int64_t>(memory.element_size());
  std::fill_n(data, memory.numel() * bytes, 0xff);
  if (anywhere) {
    return memory;
  }
  const auto address = static_cast<int64_t>(reinterpret_cast<uintptr_t>(data));
  const int64_t before = alignment == 0 ? 0 : -address & (alignment - 1);
  const Tensor part = torch::stable::narrow(memory, 0, before / bytes + offset, count);
  return torch::stable::view(part, sizes);
}

}  // namespace emulation
