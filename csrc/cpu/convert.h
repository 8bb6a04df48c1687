// Planes of the dtype that was computed in, written in the dtype that was asked for.
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

}  // namespace phasenet
