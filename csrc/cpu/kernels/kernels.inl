// Included once per instruction set with PHASENET_ISA naming the namespace and
// PHASENET_VECTOR_BYTES the width. Nothing here may call an inline function or template from
// outside: the linker would keep one copy for all sets. Sums over whole planes are the only
// arithmetic marked as reorderable.
#include <math.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "kernels.h"

namespace phasenet {
namespace PHASENET_ISA {
namespace {

constexpr double kPiD = 3.14159265358979323846;

// In this order: each builds on those before.
// clang-format off
#include "lanes.inl"
#include "matmul.inl"
#include "blur.inl"
#include "frame.inl"
#include "wraps.inl"
#include "difference.inl"
#include "transpose.inl"
#include "folds.inl"
#include "transform.inl"
#include "planes.inl"
#include "analytic.inl"
// clang-format on

template <typename T>
int64_t scratch_size(int64_t h, int64_t w) {
  return 2 * (whole_lines(h * w) + 16) + blur_scratch(h, w);
}

}  // namespace

extern const Kernels<float> float_kernels = {
    scratch_size<float>,
    atan2_all,
    matmul<float>,
    fold_rows<float>,
    unfold_rows<float>,
    multiply_rows<float>,
    transpose_rows<float>,
    blur<float>,
    frame_planes<float>,
    find_wraps<float>,
    field_elements,
    kept_elements,
    add_wraps<float>,
    subtract<float>,
    difference<float>,
    keep_wraps<float>,
    plane_transforms<float>(),
};
extern const Kernels<double> double_kernels = {
    scratch_size<double>,
    atan2_all,
    matmul<double>,
    fold_rows<double>,
    unfold_rows<double>,
    multiply_rows<double>,
    transpose_rows<double>,
    blur<double>,
    frame_planes<double>,
    find_wraps<double>,
    field_elements,
    kept_elements,
    add_wraps<double>,
    subtract<double>,
    difference<double>,
    keep_wraps<double>,
    plane_transforms<double>(),
};

}  // namespace PHASENET_ISA
}  // namespace phasenet
