// Included once per instruction set with PHASENET_ISA naming the namespace and
// PHASENET_VECTOR_BYTES the width. Nothing here may call an inline function or template from
// outside: the linker would keep one copy for all sets. Sums over whole planes are the only
// arithmetic marked as reorderable.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <utility>
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
#include "line_access.inl"
#include "transform.inl"
#include "planes.inl"
#include "analytic.inl"
#include "turns.inl"
// clang-format on

template <typename T>
int64_t scratch_size(int64_t h, int64_t w) {
  return 2 * (whole_lines(h * w) + 16) + blur_scratch(h, w);
}

template <typename T>
constexpr Kernels<T> all_kernels() {
  return {
      scratch_size<T>,  atan2_all,         matmul<T>,     fold_rows<T>,       unfold_rows<T>,
      multiply_rows<T>, transpose_rows<T>, blur<T>,       frame_planes<T>,    find_wraps<T>,
      field_elements,   kept_elements,     add_wraps<T>,  subtract<T>,        difference<T>,
      keep_wraps<T>,    turn_scratch,      turn_plane<T>, turn_and_filter<T>, plane_transforms<T>(),
  };
}

}  // namespace

extern const Kernels<float> float_kernels = all_kernels<float>();
extern const Kernels<double> double_kernels = all_kernels<double>();

}  // namespace PHASENET_ISA
}  // namespace phasenet
