// Between the dtype that is computed in and those that come in and go out, some values at a time: a
// whole tensor is never converted.
#pragma once

#include "tensors.h"

namespace phasenet {

// Reads n values of one dtype and writes them in another.
using Convert = void (*)(const void* from, int64_t n, void* to);

// How T becomes `dtype`: null if it is T itself. Values are rounded to nearest, ties to even; what
// is too large for float16 becomes infinite.
template <typename T>
Convert conversion(ScalarType dtype);

// How values of `dtype` are read as T: uint8, scaled by 1 / 255, or a floating dtype no wider than
// T.
template <typename T>
Convert reader(ScalarType dtype);

// Elements of a dense tensor, read as T.
template <typename T>
struct Source {
  explicit Source(const Tensor& dense)
      : data(static_cast<const char*>(dense.const_data_ptr())),
        element_size(static_cast<int64_t>(dense.element_size())),
        read(reader<T>(dense.scalar_type())) {
  }

  // Elements first ... first + n - 1.
  void operator()(int64_t first, int64_t n, T* to) const {
    read(data + first * element_size, n, to);
  }

  const char* data;
  int64_t element_size;
  Convert read;
};

}  // namespace phasenet
