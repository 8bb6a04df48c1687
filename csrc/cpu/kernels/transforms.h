// Fourier transforms of single planes and the filters between them, as the kernels see them. The
// plans are made in ../bands/line_transform.h and ../bands/pyramid_plan.h.
//
// A spectrum here is the half 0 <= ky < ceil(h / 2) of a real plane's, in tiles of as many ky as a
// vector has lanes: [tile][kx in FFT order][re, im][lane]. The row of ky = h / 2, which an even
// height has besides, follows as w complex numbers. Filters lie alike: [tile][kx][lane].
#pragma once

#include <cstdint>

namespace phasenet {

template <typename T>
struct Convolution;

// A transform of n numbers is a sequence of passes of r-point transforms (Stockham's order): with
// n = s r m, out[q + s (r p + k)] = w^(p k) sum_j in[q + s (p + m j)] e^(-2 pi i j k / r).
template <typename T>
struct TransformPass {
  int64_t radix, m, s;
  const T* twiddles;  // w^(p k) = e^(-2 pi i p k / (r m)), k = 1 ... r - 1, of each p: cos, -sin
  const T* roots;     // cos and sin of 2 pi j / r, j = 0 ... r - 1; null with a convolution
  const Convolution<T>* convolution;  // null where the radix is small
};

constexpr int64_t kMaxPasses = 24;

template <typename T>
struct LinePlan {
  int64_t n, count;
  int64_t beside;  // pairs that the passes' convolutions need to work in
  TransformPass<T> passes[kMaxPasses];
};

// A transform of r numbers, r a large prime, by a cyclic convolution of line.n numbers.
// Rader: the convolution of x[g^i] with e^(-2 pi i / r g^-i), i < r - 1, gives out[g^-i] - x[0] for
// a generator g modulo r. Bluestein: with c[j] = e^(-i pi j^2 / r), that of c[j] x[j], j < r, with
// conj(c[j]), |j| < r, gives out[k] / c[k], if there is room for 2 r - 1 numbers.
template <typename T>
struct Convolution {
  LinePlan<T> line;
  int64_t count;           // of the numbers below; zeros follow
  const int32_t* sources;  // which numbers are convolved
  const int32_t* targets;  // and which the results are
  const T* chirp;          // c; null for Rader's
  const T* spectrum;       // of what they are convolved with, divided by line.n
};

template <typename T>
struct PlanePlan {
  LinePlan<T> y, x;
};

// The largest prime that may have a pass without a convolution, of that many operations a number.
constexpr int64_t kLargestPrime = 127;

constexpr int64_t kFrameColumns = 32;  // two vectors of 64 bytes

struct FrequencyRange {  // begin <= kx < end, signed
  int32_t begin, end;
};

template <typename T>
struct PlaneFilter {
  const T* weights;   // of a band: negative where the analytic band lives at -k
  const T* last_row;  // [w], ky = h / 2; null if zero
  // Of a band: of the positive weights of each tile, then of the negative ones.
  const FrequencyRange* ranges;
};

// A plane of complex numbers, real and imaginary parts by themselves, rows `stride` apart.
template <typename T>
struct Parts {
  T* re;
  T* im;
  int64_t stride;
};

template <typename T>
struct Spectrum {  // of an h x w plane
  T* data;
  int64_t h, w;
};

// How a filter's weights are used: i^quarters * scale * weight, or of the weight's absolute value.
template <typename T>
struct FilterUse {
  T scale;
  int quarters;
  bool absolute;
};

// The band of an image of that width that a filter's weights of one sign give, times i^quarters.
template <typename T>
struct AnalyticBand {
  PlaneFilter<T> filter;
  int quarters;
  const PlanePlan<T>& plan;
  int64_t image_w;
};

template <typename T>
struct PlaneTransforms {
  int64_t lanes;
  int64_t (*spectrum_size)(int64_t h, int64_t w);     // elements
  int64_t (*scratch_size)(const PlanePlan<T>& plan);  // elements, for all below

  // Rows of w numbers, each `step` elements after the one before: 1, or 2 for the real parts of
  // complex numbers.
  void (*forward)(const T* plane, int64_t step, const PlanePlan<T>& plan, T* spectrum, T* scratch);

  // The same of a frame of half the plan's sides, mirrored at its lower and its right border. Rows
  // are `stride` apart and finite numbers up to a multiple of kFrameColumns.
  void (*forward_mirrored)(
      const T* frame, int64_t stride, const PlanePlan<T>& plan, T* spectrum, T* scratch);

  // The real plane of a spectrum, times h w. `step` 2 writes complex numbers.
  void (*inverse)(const T* spectrum, const PlanePlan<T>& plan, int64_t step, T* plane, T* scratch);

  // The part of an image's spectrum that a smaller plane holds, times a filter.
  void (*crop)(
      Spectrum<const T> image, const PlaneFilter<T>& filter, FilterUse<T> use, Spectrum<T> part);

  // Its adjoint: adds a smaller plane's spectrum, times a filter, to an image's.
  void (*add)(
      Spectrum<const T> part, const PlaneFilter<T>& filter, FilterUse<T> use, Spectrum<T> image);

  // A complex plane [h][w] from the frequencies of an image on one side of a line: i^quarters times
  // the inverse transform, without a factor, of weights * spectrum.
  void (*analytic)(const T* image_spectrum, const AnalyticBand<T>& band, T* plane, T* scratch);

  // Its first [h / 2][w / 2] numbers alone, in rows that are written up to a multiple of
  // kFrameColumns.
  void (*analytic_quarter)(
      const T* image_spectrum, const AnalyticBand<T>& band, Parts<T> quarter, T* scratch);

  // The adjoint of `analytic`, scaled: adds to an image's spectrum that whose real plane has this
  // band.
  void (*add_analytic)(
      const T* plane, const AnalyticBand<T>& band, T scale, T* image_spectrum, T* scratch);
};

}  // namespace phasenet
