// The pyramid's filters at one frequency, computed where they are used. In closed form few of the
// raised cosines are left: with s the square of the radius, scaled by 4^level, band `level` is
// cos(pi/4 log2 s) for 1/4 < s < 4 and zero elsewhere, since where hi(-level) falls all lo are 1
// and where lo(1 - level) falls hi(-level) is 1. Likewise the lowpass is its last lo alone.
#pragma once

#include <cmath>
#include <type_traits>

#include "../common/geometry.h"
#include "device.h"

namespace phasenet::cuda {

constexpr int kMostBands = 32;  // check_pyramid refuses more

template <typename T>
struct alignas(2 * sizeof(T)) Complex {
  T re, im;
};

template <typename T>
__device__ __forceinline__ Complex<T> operator*(Complex<T> a, Complex<T> b) {
  return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

template <typename T>
__device__ __forceinline__ Complex<T> operator*(Complex<T> a, T b) {
  return {a.re * b, a.im * b};
}

template <typename T>
__device__ __forceinline__ Complex<T> operator+(Complex<T> a, Complex<T> b) {
  return {a.re + b.re, a.im + b.im};
}

template <typename T>
__device__ __forceinline__ Complex<T> conjugate(Complex<T> z) {
  return {z.re, -z.im};
}

// (-i)^(nbands - 1), the phase of every analysis filter; its conjugate is that of the synthesis.
template <typename T>
Complex<T> analysis_phase(int64_t nbands) {
  constexpr Complex<T> powers[] = {{1, 0}, {0, -1}, {-1, 0}, {0, 1}};
  return powers[(nbands - 1) % 4];
}

// The directions of the bands; a kernel's parameter.
template <typename T>
struct Directions {
  int count;
  T scale;  // sqrt(c)
  T cosine[kMostBands], sine[kMostBands];
};

template <typename T>
Directions<T> directions(int64_t nbands) {
  Directions<T> result{static_cast<int>(nbands), static_cast<T>(angular_scale(nbands)), {}, {}};
  for (int64_t band = 0; band < nbands; ++band) {
    const double angle = kPi * static_cast<double>(band) / static_cast<double>(nbands);
    result.cosine[band] = static_cast<T>(std::cos(angle));
    result.sine[band] = static_cast<T>(std::sin(angle));
  }
  return result;
}

// Frequencies in cycles of one transform, to radii where the image's Nyquist of each axis is 1.
template <typename T>
struct Steps {
  T y, x;
};

template <typename T>
Steps<T> steps(Size image) {
  return {
      static_cast<T>(2.0 / static_cast<double>(image.h)),
      static_cast<T>(2.0 / static_cast<double>(image.w))};
}

// Signed frequency of an index in FFT order, and back; sides up to 2^30.
__device__ __forceinline__ int signed_frequency(int index, int side) {
  return 2 * index < side ? index : index - side;
}

__device__ __forceinline__ int index_of(int frequency, int side) {
  return frequency < 0 ? frequency + side : frequency;
}

// Whether a transform of this side holds the frequency.
__device__ __forceinline__ bool holds(int side, int frequency) {
  return -side <= 2 * frequency && 2 * frequency < side;
}

// Of radii, which are never so small that their last bits are lost: without care for those.
__device__ __forceinline__ float log2_of(float x) {
#if defined(PHASENET_EMULATED)
  return std::log2(x);
#else
  float result;
  asm("lg2.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#endif
}

__device__ __forceinline__ double log2_of(double x) {
  return log2(x);
}

__device__ __forceinline__ float inverse_root(float x) {
#if defined(PHASENET_EMULATED)
  return 1 / std::sqrt(x);
#else
  float result;
  asm("rsqrt.approx.ftz.f32 %0, %1;" : "=f"(result) : "f"(x));
  return result;
#endif
}

__device__ __forceinline__ double inverse_root(double x) {
  return 1 / sqrt(x);
}

// cos(pi / 2 u) for -1 <= u <= 1; in single precision within 1.5e-7: an even polynomial of degree
// 10 (2.5e-10) that is 1 at 0.
__device__ __forceinline__ float quarter_cosine(float u) {
  const float s = u * u;
  float p = -2.38483326311841e-05f;
  p = p * s + 0.000917788753641774f;
  p = p * s - 0.020862751621991714f;
  p = p * s + 0.253669349978868f;
  p = p * s - 1.2337005390211917f;
  return 1.0f + s * p;
}

__device__ __forceinline__ double quarter_cosine(double u) {
  return cospi(0.5 * u);
}

template <typename T>
__device__ __forceinline__ T square(T x) {
  return x * x;
}

// cos(pi/4 log2 s): one octave on each side of s = 1.
template <typename T>
__device__ __forceinline__ T bump(T s) {
  return quarter_cosine(T(0.5) * log2_of(s));
}

template <typename T>
__device__ __forceinline__ T band_mask(T s) {
  return s > T(0.25) && s < T(4) ? bump(s) : T(0);
}

template <typename T>
__device__ __forceinline__ T highpass_mask(T s) {
  return s >= T(1) ? T(1) : (s > T(0.25) ? bump(s) : T(0));
}

template <typename T>
__device__ __forceinline__ T lowpass_mask(T s) {
  if (s <= T(0.25) || s >= T(1)) {
    return s < T(1) ? T(1) : T(0);
  }
  return quarter_cosine(T(1) + T(0.5) * log2_of(s));
}

// Filters an octave wide as kernels ask for them: of s, the square of the radius in units of the
// level's own octave, for scale `i` of the level's, here always 0.
template <typename T>
struct OctaveMasks {
  static constexpr int count = 1;
  __device__ __forceinline__ T highpass(T s) const {
    return highpass_mask(s);
  }
  __device__ __forceinline__ T lowpass(T s) const {
    return lowpass_mask(s);
  }
  __device__ __forceinline__ T band(T s, int) const {
    return band_mask(s);
  }
};

// A filter that is 1 between log2 of two radii, `low` and `high`, and falls to zero beyond them
// over `width` octaves. One side may lie as far off as kFar.
template <typename T>
__device__ __forceinline__ T plateau_mask(T s, T low, T high, T inverse_width) {
  T octaves = T(0.5) * log2_of(s);
  octaves = octaves > T(-1000) ? octaves : T(-1000);  // at DC
  const T below = low - octaves, above = octaves - high;
  const T u = (below > above ? below : above) * inverse_width;
  return u < T(1) ? quarter_cosine(u > T(0) ? u : T(0)) : T(0);
}

constexpr double kFar = 1e6;

// Filters of an octave with `count` scales, see Octave; the finest is scale 0.
template <typename T>
struct NarrowMasks {
  int count;
  T inverse_count, width, inverse_width;

  explicit NarrowMasks(Octave octave)
      : count(static_cast<int>(octave.count)),
        inverse_count(static_cast<T>(1.0 / static_cast<double>(octave.count))),
        width(static_cast<T>(octave.width)),
        inverse_width(static_cast<T>(1.0 / octave.width)) {
  }

  __device__ __forceinline__ T highpass(T s) const {
    return plateau_mask(s, T(0), T(kFar), inverse_width);
  }
  __device__ __forceinline__ T lowpass(T s) const {
    return plateau_mask(s, T(-kFar), -width, inverse_width);
  }
  __host__ __device__ __forceinline__ T low(int i) const {
    return T(count - 1 - i) * inverse_count;
  }
  __host__ __device__ __forceinline__ T high(int i) const {
    return T(count - i) * inverse_count - width;
  }
  __device__ __forceinline__ T band(T s, int i) const {
    return plateau_mask(s, low(i), high(i), inverse_width);
  }
};

inline bool is_narrow(Octave octave) {
  return octave.count > 1 || octave.width < 1;
}

// cos(d)^(nbands - 1), with the sign that the power leaves.
template <typename T>
__device__ __forceinline__ T power(T cosine, int nbands) {
  if (nbands == 1) {
    return T(1);
  }
  T result = cosine;
  for (int i = 2; i < nbands; ++i) {
    result *= cosine;
  }
  return result;
}

// Calls run(count, masks) with the number of bands as a type that tells it when compiling, 0 if it
// is not one of the usual or filters are narrow.
template <typename T, typename Run>
void with_filters(int64_t nbands, Octave octave, const Run& run) {
  if (is_narrow(octave)) {
    return run(std::integral_constant<int, 0>(), NarrowMasks<T>(octave));
  }
  switch (nbands) {
    case 1:
      return run(std::integral_constant<int, 1>(), OctaveMasks<T>());
    case 2:
      return run(std::integral_constant<int, 2>(), OctaveMasks<T>());
    case 3:
      return run(std::integral_constant<int, 3>(), OctaveMasks<T>());
    case 4:
      return run(std::integral_constant<int, 4>(), OctaveMasks<T>());
    case 6:
      return run(std::integral_constant<int, 6>(), OctaveMasks<T>());
    case 8:
      return run(std::integral_constant<int, 8>(), OctaveMasks<T>());
    default:
      return run(std::integral_constant<int, 0>(), OctaveMasks<T>());
  }
}

}  // namespace phasenet::cuda
