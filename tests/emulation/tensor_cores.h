// Half-precision numbers, and what tensor cores make of them and of others, without a GPU: for the
// emulated kernels and for machine code that runs on the CPU.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

namespace emulation {

inline float half_to_float(uint32_t half) {
  const uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, rest = half & 1023;
  if (exponent == 0) {
    const float value = std::ldexp(static_cast<float>(rest), -24);
    return sign != 0 ? -value : value;
  }
  const uint32_t bits = sign | (exponent == 31 ? 255 : exponent + 112) << 23 | rest << 13;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// To the nearest, to even in between.
inline uint32_t float_to_half(float x) {
  const uint32_t sign = std::signbit(x) ? 0x8000 : 0;
  const double size = std::fabs(static_cast<double>(x));
  if (std::isnan(x)) {
    return 0x7fff;
  }
  if (size >= 65520) {
    return sign | 0x7c00;
  }
  const int exponent = size == 0 ? -14 : std::max(std::ilogb(size), -14);
  const auto units = static_cast<uint32_t>(std::nearbyint(std::ldexp(size, 10 - exponent)));
  // Units of 2^(exponent - 10); what is rounded up to 2048 of them carries into the exponent.
  return sign | (static_cast<uint32_t>(exponent + 14) * 1024 + units);
}

inline uint32_t halves(float first, float second) {
  return float_to_half(first) | float_to_half(second) << 16;
}

inline uint32_t multiply_add_halves(uint32_t a, uint32_t b, uint32_t c) {
  const auto one = [&](int shift) {
    const auto of = [&](uint32_t x) {
      return static_cast<double>(half_to_float(x >> shift & 0xffff));
    };
    return float_to_half(static_cast<float>(of(a) * of(b) + of(c)));
  };
  return one(0) | one(16) << 16;
}

// sum + a[0] b[0] + ... + a[n - 1] b[n - 1]: products are exact, and all terms are cut to 24 bits
// behind the leading one of the largest, added, and the sum cut to single precision. Newer devices
// keep more.
inline float add_products(float sum, const float* a, const float* b, int n) {
  double terms[17] = {static_cast<double>(sum)}, largest = std::fabs(terms[0]), plain = terms[0];
  for (int i = 0; i < n; ++i) {
    terms[i + 1] = static_cast<double>(a[i]) * b[i];
    largest = std::max(largest, std::fabs(terms[i + 1]));
    plain += terms[i + 1];
  }
  if (!std::isfinite(plain) || largest == 0) {
    return static_cast<float>(plain);
  }
  const int exponent = std::ilogb(largest);
  const double unit = std::ldexp(1.0, exponent - 24);
  int64_t units = 0;
  for (int i = 0; i <= n; ++i) {
    units += static_cast<int64_t>(terms[i] / unit);  // cut; exact otherwise, by a power of two
  }
  const double total = static_cast<double>(units) * unit;
  const auto nearest = static_cast<float>(total);
  return std::fabs(static_cast<double>(nearest)) > std::fabs(total) ? std::nextafter(nearest, 0.0f)
                                                                    : nearest;
}

// A lane's part of sum [16, 8] += left [16, 8 blocks] right [8 blocks, 8], of the warp's factors:
// of each lane four registers of the left and two of the right.
template <typename Factor>
inline void add_product(float (&sum)[4], int lane, int blocks, const Factor& factor) {
  const auto number = [&](int of_lane, int which, int k) {
    return half_to_float(factor(of_lane, which) >> (k % 2 * 16) & 0xffff);
  };
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    float left[16], right[16];
    for (int k = 0; k < 8 * blocks; ++k) {
      left[k] = number(row % 8 * 4 + k % 8 / 2, row / 8 + k / 8 * 2, k);
      right[k] = number(column * 4 + k % 8 / 2, 4 + k / 8, k);
    }
    sum[i] = add_products(sum[i], left, right, 8 * blocks);
  }
}

// As tensor cores read a number of single precision: cut to 11 bits.
inline float cut_to_11_bits(uint32_t bits) {
  bits &= 0xffffe000u;
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// The same of numbers of single precision, for sum [16, 8] += left [16, 8] right [8, 8].
template <typename Factor>
inline void add_single_product(float (&sum)[4], int lane, const Factor& factor) {
  for (int i = 0; i < 4; ++i) {
    const int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
    float left[8], right[8];
    for (int k = 0; k < 8; ++k) {
      left[k] = cut_to_11_bits(factor(row % 8 * 4 + k % 4, row / 8 + k / 4 * 2));
      right[k] = cut_to_11_bits(factor(column * 4 + k % 4, 4 + k / 4));
    }
    sum[i] = add_products(sum[i], left, right, 8);
  }
}

}  // namespace emulation
