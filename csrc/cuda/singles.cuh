// Products of small matrices of numbers of single precision on tensor cores, which cut them to 11
// bits. Such a number is the sum of two cut ones to 2^-21 of it, so three such products make one of
// nearly single precision; unlike with halves (halves.cuh) its range is that of single precision.
#pragma once

#include "device.h"

namespace phasenet::cuda {

// A number as the sum of what tensor cores keep of it and the rest.
struct CutSingle {
  float high, low;
};

constexpr uint32_t kHighBits = 0xffffe000;

// `high_bits` may be read from memory: where a compiler knows that products ignore the others, it
// takes the number itself and moves it to where the factor's registers are.
__device__ __forceinline__ CutSingle cut(float x, uint32_t high_bits = kHighBits) {
  const float high = __uint_as_float(__float_as_uint(x) & high_bits);
  return {high, x - high};
}

// Two neighbours as a right factor: upper parts of both, then the rest.
__device__ __forceinline__ Four<float> cut_pair(float first, float second) {
  const CutSingle one = cut(first), two = cut(second);
  return {{one.high, two.high, one.low, two.low}};
}

// sum [16, 8] += left [16, 8] right [8, 8]. With r = lane / 4 and q = lane % 4, a lane has of the
// sum columns 2 q and 2 q + 1 of row r, then of row r + 8; of the right factor rows 2 q and 2 q + 1
// of column r; of the left factor column 2 q of rows r and r + 8, then column 2 q + 1.
__device__ __forceinline__ void add_product(
    float (&sum)[4], const Four<float>& left, float right, float below) {
#if defined(PHASENET_EMULATED)
  const uint32_t factors[6] = {
      __float_as_uint(left.at[0]),
      __float_as_uint(left.at[1]),
      __float_as_uint(left.at[2]),
      __float_as_uint(left.at[3]),
      __float_as_uint(right),
      __float_as_uint(below)};
  emulation::add_single_product(sum, factors);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(__float_as_uint(left.at[0])),
        "r"(__float_as_uint(left.at[1])),
        "r"(__float_as_uint(left.at[2])),
        "r"(__float_as_uint(left.at[3])),
        "r"(__float_as_uint(right)),
        "r"(__float_as_uint(below)));
#endif
}

// sum = left right
__device__ __forceinline__ void make_product(
    float (&sum)[4], const Four<float>& left, float right, float below) {
#if defined(PHASENET_EMULATED)
  sum[0] = sum[1] = sum[2] = sum[3] = 0;
  add_product(sum, left, right, below);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%10, %10, %10, %10};"
      : "=f"(sum[0]), "=f"(sum[1]), "=f"(sum[2]), "=f"(sum[3])
      : "r"(__float_as_uint(left.at[0])),
        "r"(__float_as_uint(left.at[1])),
        "r"(__float_as_uint(left.at[2])),
        "r"(__float_as_uint(left.at[3])),
        "r"(__float_as_uint(right)),
        "r"(__float_as_uint(below)),
        "f"(0.0f));
#endif
}

}  // namespace phasenet::cuda
