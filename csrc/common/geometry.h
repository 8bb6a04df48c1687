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

// The radial filters of an octave: `count` scales side by side, between which a raised cosine of
// `width` octaves, at most 1 / count, leads from one to the next.
struct Octave {
  int64_t count = 1;
  double width = 1;

  // log2 of the radius below which scale `scale` + 1 begins; that of scale 1 is 0. Levels halve the
  // sides after each octave, whose edge is then their Nyquist frequency.
  double edge(int64_t scale) const {
    return -static_cast<double>(scale) / static_cast<double>(count);
  }

  // hi and lo of log2 of the radius about an edge, hi^2 + lo^2 = 1. At DC log2_radius is -inf,
  // which gives hi = 0 and lo = 1.
  double hi(double log2_radius, int64_t scale) const {
    return std::cos(kPi / 2 * clip01((edge(scale) - log2_radius) / width));
  }
  double lo(double log2_radius, int64_t scale) const {
    return std::sin(kPi / 2 * clip01((edge(scale) - log2_radius) / width));
  }

  // Of scale 1, 2, ...: wherever the last lo is not zero those before are 1, as no two transitions
  // overlap.
  double band(double log2_radius, int64_t scale) const {
    return lo(log2_radius, scale - 1) * hi(log2_radius, scale);
  }
};

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

// Sizes of scale 1, 2, ..., `count` of them to each of height - 2 levels, then of the lowpass.
inline std::vector<Size> level_sizes(Size image, int64_t height, int64_t count = 1) {
  std::vector<Size> sizes(count, image);
  for (int64_t level = 1; level < height - 1; ++level) {
    const Size half{cropped_side(sizes.back().h), cropped_side(sizes.back().w)};
    sizes.insert(sizes.end(), level < height - 2 ? count : 1, half);
  }
  return sizes;
}

}  // namespace phasenet
