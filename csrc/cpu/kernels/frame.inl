// What a single frame contributes: phase, amplitude, denoised phase, and the wraps to the next.

// atan2 within 3e-7 rad: odd polynomial of degree 17 for atan on [0, 1] (relative error 1.6e-8),
// folded out to the plane. Zeros and signed zeros as atan2f.
inline float fast_atan2(float y, float x) {
  const float ax = fabsf(x), ay = fabsf(y);
  const float large = ax > ay ? ax : ay, small = ax > ay ? ay : ax;
  const float q = large > 0 ? small / large : large;
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
  angle = ay > ax ? float(kPiD / 2) - angle : angle;
  angle = copysignf(1.0f, x) < 0 ? float(kPiD) - angle : angle;
  return copysignf(angle, y);
}

inline void atan2_all(const float* im, const float* re, float* out, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    out[i] = fast_atan2(im[i], re[i]);
  }
}

inline void atan2_all(const double* im, const double* re, double* out, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    out[i] = atan2(im[i], re[i]);
  }
}

inline float root(float x) {
  return __builtin_sqrtf(x);
}
inline double root(double x) {
  return __builtin_sqrt(x);
}

template <typename T>
void frame_planes(Parts<const T> band, int64_t h, int64_t w, FramePlanes<T> out, T* scratch) {
  const BlurBuffers<T> buffers = blur_buffers(scratch, w);
  blur_along_x(buffers, int64_t(0), h, [&](int64_t y, T* line) {
    const T* re_row = band.re + y * band.stride;
    const T* im_row = band.im + y * band.stride;
    T* phase = out.phase + y * w;
    T* amplitude = out.amplitude + y * w;
    atan2_all(im_row, re_row, phase, w);
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      amplitude[x] = T(root(re_row[x] * re_row[x] + im_row[x] * im_row[x])) + T(1e-10);
      line[x] = amplitude[x] * phase[x];
    }
  });
  blur_to(buffers, h, out.denoised);
  blur_along_x(buffers, int64_t(0), h, [&](int64_t y, T* line) {
    copy_line(out.amplitude + y * w, w, line);
  });
  blur_to(buffers, h, out.inverse);
  const int64_t n = h * w;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T inverse = T(1) / out.inverse[i];
    out.inverse[i] = inverse;
    out.denoised[i] *= inverse;
  }
}
