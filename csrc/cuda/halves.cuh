// Products of small matrices of half-precision numbers on tensor cores, summed in single precision.
// A number of single precision is the sum of two halves to 2^-24 of it, so three such products make
// one of nearly single precision.
#pragma once

#include "device.h"

namespace phasenet::cuda {

using Halves = uint32_t;  // two numbers, the first in the lower bits

__device__ __forceinline__ Halves halves(float first, float second) {
#if defined(PHASENET_EMULATED)
  return emulation::halves(first, second);
#else
  Halves both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  return both;
#endif
}

__device__ __forceinline__ void to_floats(Halves both, float* first, float* second) {
#if defined(PHASENET_EMULATED)
  *first = emulation::half_to_float(both & 0xffff);
  *second = emulation::half_to_float(both >> 16);
#else
  asm("{.reg .f16 a, b; mov.b32 {a, b}, %2; cvt.f32.f16 %0, a; cvt.f32.f16 %1, b;}"
      : "=f"(*first), "=f"(*second)
      : "r"(both));
#endif
}

__device__ __forceinline__ Halves multiply(Halves a, Halves b) {
#if defined(PHASENET_EMULATED)
  return emulation::multiply_add_halves(a, b, 0);
#else
  Halves result;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
#endif
}

// a b + c and a b - c, rounded once.
__device__ __forceinline__ Halves multiply_add(Halves a, Halves b, Halves c) {
#if defined(PHASENET_EMULATED)
  return emulation::multiply_add_halves(a, b, c);
#else
  Halves result;
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(result) : "r"(a), "r"(b), "r"(c));
  return result;
#endif
}

__device__ __forceinline__ Halves multiply_subtract(Halves a, Halves b, Halves c) {
#if defined(PHASENET_EMULATED)
  return emulation::multiply_add_halves(a, b, c ^ 0x80008000);
#else
  Halves result;
  asm("{.reg .b32 minus; neg.f16x2 minus, %3; fma.rn.f16x2 %0, %1, %2, minus;}"
      : "=r"(result)
      : "r"(a), "r"(b), "r"(c));
  return result;
#endif
}

__device__ __forceinline__ Halves add(Halves a, Halves b) {
#if defined(PHASENET_EMULATED)
  return emulation::multiply_add_halves(a, 0x3c003c00, b);
#else
  Halves result;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(result) : "r"(a), "r"(b));
  return result;
#endif
}

// Two numbers side by side, rounded to what results are made of.
template <typename Out>
__device__ __forceinline__ Two<Out> rounded_pair(float first, float second) {
#if !defined(PHASENET_EMULATED)
  if constexpr (sizeof(Out) == 2) {
    uint32_t both;
    if constexpr (std::is_same_v<Out, torch::headeronly::Half>) {
      both = halves(first, second);
    } else {
      asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
    }
    Two<Out> result;
    memcpy(&result, &both, sizeof both);
    return result;
  }
#endif
  return {{static_cast<Out>(first), static_cast<Out>(second)}};
}

// Two numbers as the sum of two halves each.
struct SplitPair {
  Halves high, low;
};

__device__ __forceinline__ SplitPair split(float first, float second) {
  const Halves high = halves(first, second);
  float a, b;
  to_floats(high, &a, &b);
  return {high, halves(first - a, second - b)};
}

// To 2^-19 of a number: the upper half keeps 8 bits, so that small whole numbers times it are
// halves.
__device__ __forceinline__ SplitPair split_shortly(float first, float second) {
  const Halves high = halves(first, second) & 0xfff8fff8u;
  float a, b;
  to_floats(high, &a, &b);
  return {high, halves(first - a, second - b)};
}

// Times small whole numbers; what rounding takes from the upper halves goes to the lower ones.
__device__ __forceinline__ SplitPair multiply(SplitPair x, Halves by) {
  const Halves high = multiply(x.high, by);
  const Halves rest = multiply_subtract(x.high, by, high);
  return {high, multiply_add(x.low, by, rest)};
}

// With r = lane / 4 and q = lane % 4, of a matrix of 16 rows lane 4 r + q has, for every 8 columns,
// those 2 q and 2 q + 1 of rows r and r + 8; of a right factor's 8 rows it has rows 2 q and 2 q + 1
// of column r. So a sum's columns are a left factor's as they are.
struct Columns8 {
  Halves upper, lower;  // rows r, r + 8
};

// sum [16, 8] += left [16, 16] right [16, 8]
__device__ __forceinline__ void add_product(
    float (&sum)[4], Columns8 left, Columns8 next, Halves right, Halves below) {
#if defined(PHASENET_EMULATED)
  const uint32_t factors[6] = {left.upper, left.lower, next.upper, next.lower, right, below};
  emulation::add_product(sum, factors, 2);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(left.upper), "r"(left.lower), "r"(next.upper), "r"(next.lower), "r"(right), "r"(below));
#endif
}

// sum [16, 8] += left [16, 8] right [8, 8]
__device__ __forceinline__ void add_product(float (&sum)[4], Columns8 left, Halves right) {
#if defined(PHASENET_EMULATED)
  const uint32_t factors[6] = {left.upper, left.lower, 0, 0, right, 0};
  emulation::add_product(sum, factors, 1);
#else
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 "
      "{%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "r"(left.upper), "r"(left.lower), "r"(right));
#endif
}

}  // namespace phasenet::cuda
