// Rows of interleaved complex numbers times real weights and one complex factor.

// out[j] = factor * source[j] * weights[j]
template <typename T>
void scale_row(const T* source, const T* weights, int64_t n, T re, T im, T* out) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    const T a = source[2 * j] * weights[j], b = source[2 * j + 1] * weights[j];
    out[2 * j] = a * re - b * im;
    out[2 * j + 1] = a * im + b * re;
  }
}

// out[-j] = factor * conj(source[j]) * weights[j]: frequency -v of a Hermitian spectrum from v.
template <typename T>
void scale_row_mirrored(const T* source, const T* weights, int64_t n, T re, T im, T* out) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    const T a = source[2 * j] * weights[j], b = -source[2 * j + 1] * weights[j];
    out[-2 * j] = a * re - b * im;
    out[-2 * j + 1] = a * im + b * re;
  }
}
