#include "tensors.h"

#include <torch/headeronly/util/shim_utils.h>

#include "kept_memory.h"
#include "memory.h"

// Of torch 2.11 and later: null where it is older, for which this library also works.
extern "C" __attribute__((weak)) AOTITorchError torch_from_blob(
    void* data,
    int64_t ndim,
    const int64_t* sizes,
    const int64_t* strides,
    int64_t storage_offset,
    int32_t dtype,
    int32_t device_type,
    int32_t device_index,
    AtenTensorHandle* result,
    int32_t layout,
    const uint8_t* opaque_metadata,
    int64_t opaque_metadata_size,
    void (*deleter)(void* data, void* context),
    void* deleter_context);

namespace phasenet {

namespace {

int32_t shim_dtype(ScalarType dtype) {
  return torch::stable::detail::to<int32_t>(torch::stable::detail::from(dtype));
}

// A contiguous tensor that leaves its memory for the next; undefined where there is no such memory.
Tensor in_kept_memory(const std::vector<int64_t>& sizes, ScalarType dtype, size_t bytes) {
  if (bytes < kKeptFrom || bytes > kept_limit() || torch_from_blob == nullptr) {
    return Tensor();
  }
  std::unique_ptr<Block> block = Block::take(bytes);
  if (block == nullptr) {
    return Tensor();
  }
  std::vector<int64_t> strides(sizes.size());
  int64_t step = 1;
  for (size_t axis = sizes.size(); axis-- > 0;) {
    strides[axis] = step;
    step *= sizes[axis];
  }
  void* const data = block->data();
  AtenTensorHandle handle = nullptr;
  TORCH_ERROR_CODE_CHECK(torch_from_blob(
      data,
      static_cast<int64_t>(sizes.size()),
      sizes.data(),
      strides.data(),
      0,
      shim_dtype(dtype),
      aoti_torch_device_type_cpu(),
      -1,
      &handle,
      aoti_torch_layout_strided(),
      nullptr,
      0,
      [](void*, void* context) {
        Block::leave(std::unique_ptr<Block>(static_cast<Block*>(context)));
      },
      block.get()));
  block.release();  // the tensor's from here on
  return Tensor(handle);
}

}  // namespace

Tensor empty_cpu(const std::vector<int64_t>& sizes, ScalarType dtype) {
  int64_t bytes = static_cast<int64_t>(aoti_torch_dtype_element_size(shim_dtype(dtype)));
  for (const int64_t size : sizes) {
    bytes *= size;
  }
  const Tensor kept = in_kept_memory(sizes, dtype, bytes);
  if (kept.defined()) {
    return kept;
  }
  const Tensor result = torch::stable::empty(sizes, dtype);
  advise_huge_pages(result.mutable_data_ptr(), result.numel() * result.element_size());
  return result;
}

}  // namespace phasenet
