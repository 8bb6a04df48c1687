// Sizes and filters of the complex steerable pyramid (Portilla & Simoncelli 2000) in closed form.
// Plain maths on doubles, shared by every backend.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace phasenet {

constexpr double kPi = 3.14159265358979323846;

// The side of what remains of a centred spectrum of side m after the crop by 2: ceil((m - 0.5) /
// 2).
inline int64_t cropped_side(int64_t m) {
  return m / 2 + m % 2;
}

// Signed frequency of index i in FFT order of a transform of side m.
inline int64_t frequency(int64_t i, int64_t m) {
  return i < m / 2 + m % 2 ? i : i - m;
}

// Index in FFT order, side m, of a signed frequency.
inline int64_t frequency_index(int64_t k, int64_t m) {
  return k < 0 ? k + m : k;
}

// Columns of the half spectrum a real transform of side m keeps.
inline int64_t half_columns(int64_t m) {
  return m / 2 + 1;
}

inline double clip01(double x) {
  return x < 0 ? 0 : (x > 1 ? 1 : x);
}

// hi(s) and lo(s) of log2 of the radius: raised cosines one octave wide, hi^2 + lo^2 = 1.
// At DC log2_radius is -inf, which gives hi = 0 and lo = 1.
inline double hi_mask(double log2_radius, double s) {
  return std::cos(kPi / 2 * clip01(s - log2_radius));
}

inline double lo_mask(double log2_radius, double s) {
  return std::sin(kPi / 2 * clip01(s - log2_radius));
}

// lo(0) lo(-1) ... lo(-level): what reaches the crop after `level`.
inline double lowpass_chain(double log2_radius, int64_t level) {
  double weight = lo_mask(log2_radius, 0);
  for (int64_t i = 1; i <= level; ++i) {
    weight *= lo_mask(log2_radius, -static_cast<double>(i));
  }
  return weight;
}

// sqrt(c), c = 2^(2n) (n!)^2 / (nbands (2n)!), n = nbands - 1: the squared angular masks of all
// bands then sum to 1 in every direction.
inline double angular_scale(int64_t nbands) {
  const double n = static_cast<double>(nbands - 1);
  const double log_c = 2 * n * std::log(2.0) + 2 * std::lgamma(n + 1) - std::lgamma(2 * n + 1);
  return std::sqrt(std::exp(log_c) / static_cast<double>(nbands));
}

struct Size {
  int64_t h;
  int64_t w;
  int64_t area() const {
    return h * w;
  }
};

// Sizes of level 1 ... height - 2, then of the lowpass.
inline std::vector<Size> level_sizes(Size image, int64_t height) {
  std::vector<Size> sizes{image};
  for (int64_t level = 1; level < height - 1; ++level) {
    sizes.push_back({cropped_side(sizes.back().h), cropped_side(sizes.back().w)});
  }
  return sizes;
}

}  // namespace phasenet
