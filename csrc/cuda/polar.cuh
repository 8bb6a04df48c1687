// Phase and magnitude of a complex number: in single precision without the branches of the
// library's functions, which take as long as the arithmetic.
#pragma once

#include <cmath>

#include "../common/geometry.h"
#include "device.h"

namespace phasenet::cuda {

__device__ __forceinline__ double phase_of(double im, double re) {
  return std::atan2(im, re);
}

__device__ __forceinline__ double magnitude_of(double im, double re) {
  return std::sqrt(re * re + im * im);
}

// Smaller numbers count as zero.
constexpr float kLeast = 1.2e-38f;

// Within 3e-7 rad: odd polynomial of degree 17 for atan on [0, 1] (relative error 1.6e-8), folded
// out to the plane. Zeros and signed zeros as atan2f. Of parts up to 2^126: beyond that the
// quotient is zero.
__device__ __forceinline__ float phase_of(float im, float re) {
  const float x = std::fabs(re), y = std::fabs(im);
  const float large = x > y ? x : y, small = x > y ? y : x;
#if defined(PHASENET_EMULATED)
  float q = emulation::approximate_quotient(small, large);
#else
  float q;
  asm("div.approx.ftz.f32 %0, %1, %2;" : "=f"(q) : "f"(small), "f"(large));
#endif
  q = large > kLeast ? q : large - large;  // NaN stays NaN
  const float s = q * q;
  float p = 0.002849851967766881f;
  p = p * s - 0.016068479046225548f;
  p = p * s + 0.04269127547740936f;
  p = p * s - 0.0750427395105362f;
  p = p * s + 0.10640924423933029f;
  p = p * s - 0.14203642308712006f;
  p = p * s + 0.1999261975288391f;
  p = p * s - 0.3333307206630707f;
  float angle = q + q * s * p;
  angle = y > x ? float(kPi / 2) - angle : angle;
  angle = std::signbit(re) ? float(kPi) - angle : angle;
  return std::copysign(angle, im);
}

// The same of parts of any size.
__device__ __forceinline__ float phase_of_any(float im, float re) {
  const float by = std::fabs(im) > 0x1p126f || std::fabs(re) > 0x1p126f ? 0.25f : 1.0f;
  return phase_of(im * by, re * by);
}
__device__ __forceinline__ double phase_of_any(double im, double re) {
  return phase_of(im, re);
}

__device__ __forceinline__ float magnitude_of(float im, float re) {
#if defined(PHASENET_EMULATED)
  return std::sqrt(re * re + im * im);
#else
  float root;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(root) : "f"(re * re + im * im));
  return root;
#endif
}

// Within 2^-23 of it; of numbers that are not denormal.
__device__ __forceinline__ float reciprocal(float x) {
#if defined(PHASENET_EMULATED)
  return 1 / x;
#else
  float result;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#endif
}

// 1 where a < b, else 0.
__device__ __forceinline__ float one_if_less(float a, float b) {
#if defined(PHASENET_EMULATED)
  return a < b ? 1.0f : 0.0f;
#else
  float result;
  asm("set.lt.f32.f32 %0, %1, %2;" : "=f"(result) : "f"(a), "f"(b));
  return result;
#endif
}

// By the functions of multiples of pi, which need no memory to reduce large angles; those lose what
// rounding the multiple takes, see within_a_turn.
__device__ __forceinline__ void sine_and_cosine(double angle, double* sine, double* cosine) {
#if defined(PHASENET_EMULATED)
  *sine = std::sin(angle);
  *cosine = std::cos(angle);
#else
  sincospi(angle * (1 / kPi), sine, cosine);
#endif
}

__device__ __forceinline__ void sine_and_cosine(float angle, float* sine, float* cosine) {
  const float part = angle * float(1 / kPi);
#if defined(PHASENET_EMULATED)
  *sine = static_cast<float>(sinpi(static_cast<double>(part)));
  *cosine = static_cast<float>(cospi(static_cast<double>(part)));
#else
  sincospif(part, sine, cosine);
#endif
}

// The angle less whole turns, whose length is the sum of two numbers: what is left is exact but for
// its own rounding.
template <typename T>
__device__ __forceinline__ T within_a_turn(T angle) {
  constexpr T length = T(2 * kPi);
  constexpr T rest = sizeof(T) == 4 ? T(-1.7484555e-7) : T(2.4492935982947064e-16);
  const T turns = std::rint(angle * T(0.5 / kPi));
  return std::fma(-turns, rest, std::fma(-turns, length, angle));
}

}  // namespace phasenet::cuda
