// Between the half spectrum of an image and the spectra of its bands.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "tables.h"
#include "tensors.h"

namespace phasenet {

// (-i)^n for n = nbands - 1, the phase every analysis filter carries; its conjugate is i^n.
template <typename T>
Complex<T> analysis_phase(int64_t nbands) {
  switch ((nbands - 1) % 4) {
    case 0:
      return {T(1), T(0)};
    case 1:
      return {T(0), T(-1)};
    case 2:
      return {T(-1), T(0)};
    default:
      return {T(0), T(1)};
  }
}

template <typename T>
Complex<T> conjugate(Complex<T> z) {
  return {z.real(), -z.imag()};
}

// sqrt(c) cos(d)^n radial on both half planes, from a table entry: even powers have no sign.
template <typename T>
T two_sided(T entry, int64_t nbands) {
  return nbands % 2 == 0 || entry > 0 ? entry : -entry;
}

// One row of the full spectrum of an analytic band: `image_spectrum` [H, W / 2 + 1] of a real
// image times 2 sqrt(c) cos(d)^n radial (-i)^n where |d| < pi / 2, zero elsewhere.
template <typename T>
void analytic_band_row(
    const Complex<T>* image_spectrum,
    Size image,
    const LevelTable<T>& level,
    int64_t band,
    int64_t row,
    Complex<T> phase,
    Complex<T>* out) {
  const Size size = level.size;
  const int64_t columns = half_columns(size.w);
  const int64_t image_columns = half_columns(image.w);
  const int64_t k = frequency(row, size.h);
  const int64_t opposite_row = (size.h - row) % size.h;
  const T* weights = level.weights.data() + band * size.h * columns;
  const T* here = weights + row * columns;
  const T* opposite = weights + opposite_row * columns;
  const Complex<T>* source = image_spectrum + frequency_index(k, image.h) * image_columns;
  const Complex<T>* mirrored =
      image_spectrum + ((image.h - frequency_index(k, image.h)) % image.h) * image_columns;
  // Along a row the sign changes once at most, so the entries of one sign lie side by side.
  const auto right = level.positive[band * size.h + row];
  const auto left = level.negative[band * size.h + opposite_row];
  const int64_t begin = right.begin, end = right.end;
  const int64_t first = std::max<int64_t>(left.begin, 1), last = left.end;
  const T re = 2 * phase.real(), im = 2 * phase.imag();
  const auto values = [](auto* row, int64_t j) { return reinterpret_cast<const T*>(row + j); };
  T* target = reinterpret_cast<T*>(out);
  kernels<T>().scale_row(
      values(source, begin), here + begin, end - begin, re, im, target + 2 * begin);
  // The spectrum of a real image is Hermitian: column w - v holds frequency -v.
  int64_t zeros_end = size.w;
  if (first < last) {
    kernels<T>().scale_row_mirrored(
        values(mirrored, first),
        opposite + first,
        last - first,
        -re,
        -im,
        target + 2 * (size.w - first));
    zeros_end = size.w - last + 1;
    std::fill(target + 2 * (size.w - first + 1), target + 2 * size.w, T(0));
  }
  std::fill(target, target + 2 * begin, T(0));
  std::fill(target + 2 * end, target + 2 * zeros_end, T(0));
}

// Adds to one row of an image's half spectrum the adjoint of `analytic_band_row`: the Hermitian
// part of the band's full spectrum times its filter. `factor` is a real scale times i^n.
template <typename T>
void add_analytic_band_row(
    const Complex<T>* band_spectrum,
    const LevelTable<T>& level,
    int64_t band,
    int64_t row,
    Complex<T> factor,
    Complex<T>* out) {
  const Size size = level.size;
  const int64_t columns = half_columns(size.w);
  const T* weights = level.weights.data() + (band * size.h + row) * columns;
  const Complex<T>* here = band_spectrum + row * size.w;
  const Complex<T>* opposite = band_spectrum + ((size.h - row) % size.h) * size.w;
  for (int64_t j = 0; j < columns; ++j) {
    const bool is_here = weights[j] >= 0;
    const Complex<T> value = (is_here ? here[j] : opposite[(size.w - j) % size.w]) * factor;
    out[j] += (is_here ? value : conjugate(value)) * std::abs(weights[j]);
  }
}

// One row of the half spectrum of a real band: the image's times the two-sided filter times
// `factor`, which is a real scale times (-i)^n.
template <typename T>
void real_band_row(
    const Complex<T>* image_spectrum,
    Size image,
    const LevelTable<T>& level,
    int64_t nbands,
    int64_t band,
    int64_t row,
    Complex<T> factor,
    Complex<T>* out) {
  const int64_t columns = half_columns(level.size.w);
  const int64_t image_row = frequency_index(frequency(row, level.size.h), image.h);
  const Complex<T>* source = image_spectrum + image_row * half_columns(image.w);
  const T* weights = level.weights.data() + (band * level.size.h + row) * columns;
  for (int64_t j = 0; j < columns; ++j) {
    out[j] = source[j] * factor * two_sided(weights[j], nbands);
  }
}

// Adds the adjoint of `real_band_row` to one row of an image's half spectrum; `factor` is a real
// scale times i^n.
template <typename T>
void add_real_band_row(
    const Complex<T>* band_spectrum,
    const LevelTable<T>& level,
    int64_t nbands,
    int64_t band,
    int64_t row,
    Complex<T> factor,
    Complex<T>* out) {
  const int64_t columns = half_columns(level.size.w);
  const T* weights = level.weights.data() + (band * level.size.h + row) * columns;
  const Complex<T>* here = band_spectrum + row * columns;
  for (int64_t j = 0; j < columns; ++j) {
    out[j] += here[j] * factor * two_sided(weights[j], nbands);
  }
}

// A residual's row: weights are real and symmetric.
template <typename T>
void residual_row(
    const Complex<T>* image_spectrum,
    Size image,
    const T* weights,
    Size size,
    int64_t row,
    T scale,
    Complex<T>* out) {
  const int64_t columns = half_columns(size.w);
  const int64_t image_row = frequency_index(frequency(row, size.h), image.h);
  const Complex<T>* source = image_spectrum + image_row * half_columns(image.w);
  for (int64_t j = 0; j < columns; ++j) {
    out[j] = source[j] * (scale * weights[row * columns + j]);
  }
}

template <typename T>
void add_residual_row(
    const Complex<T>* spectrum,
    const T* weights,
    Size size,
    int64_t row,
    T scale,
    Complex<T>* out) {
  const int64_t columns = half_columns(size.w);
  for (int64_t j = 0; j < columns; ++j) {
    out[j] += spectrum[row * columns + j] * (scale * weights[row * columns + j]);
  }
}

}  // namespace phasenet
