// Between the dtype that is computed in and those that come in and go out, some values at a time: a
// whole tensor is never converted.
#pragma once

#include "tensors.h"

namespace phasenet {

// Writes n values of dtype T to `to`.
template <typename T>
using Convert = void (*)(const T* from, int64_t n, void* to);

// How T becomes `dtype`: null if it is T itself. Values are rounded to nearest, ties to even; what
// is too large for float16 becomes infinite.
template <typename T>
Convert<T> conversion(ScalarType dtype);

// Reads n values of some dtype as T; uint8 is scaled by 1 / 255.
template <typename T>
using Read = void (*)(const void* from, int64_t n, T* to);

// How values of `dtype` are read: uint8, or a floating dtype no wider than T.
template <typename T>
Read<T> reader(ScalarType dtype);

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
  Read<T> read;
};

}  // namespace phasenet
