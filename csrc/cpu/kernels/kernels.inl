// Included once per instruction set with PHASENET_ISA naming the namespace. Nothing here may call
// an inline function or template from outside: the linker would keep one copy for all sets.
// Loops are written so that compilers vectorise them without reordering any arithmetic that
// matters; only sums over whole planes are marked as reorderable.
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"

namespace phasenet {
namespace PHASENET_ISA {
namespace {

constexpr double kPiD = 3.14159265358979323846;

// exp(-k^2 / 8), k = 0 ... 5
constexpr double kTaps[kBlurReach + 1] = {
    1.0,
    0.88249690258459540286,
    0.60653065971263342360,
    0.32465246735834973769,
    0.13533528323661269189,
    0.04393693362340742,
};

inline int64_t padded(int64_t w) {  // row length of the scratch of a blur
  return (w + 2 * kBlurReach + 15) / 16 * 16;
}

inline int64_t plane_scratch(int64_t h, int64_t w) {
  return (h * w + 15) / 16 * 16;
}

template <typename T>
int64_t scratch_size(int64_t h, int64_t w) {
  return padded(w) + 3 * plane_scratch(h, w);
}

// Adds up to 11 rows of `in` around row y, weighted, to `out`.
template <typename T>
inline void blur_column(const T* in, int64_t h, int64_t w, int64_t y, T* __restrict out) {
  const T centre = T(kTaps[0]);
  const T* middle = in + y * w;
  if (y >= kBlurReach && y + kBlurReach < h) {
    const T t1 = T(kTaps[1]), t2 = T(kTaps[2]), t3 = T(kTaps[3]), t4 = T(kTaps[4]),
            t5 = T(kTaps[5]);
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      const T* p = middle + x;
      out[x] = centre * p[0] + t1 * (p[-w] + p[w]) + t2 * (p[-2 * w] + p[2 * w]) +
               t3 * (p[-3 * w] + p[3 * w]) + t4 * (p[-4 * w] + p[4 * w]) +
               t5 * (p[-5 * w] + p[5 * w]);
    }
    return;
  }
#pragma omp simd
  for (int64_t x = 0; x < w; ++x) {
    out[x] = centre * middle[x];
  }
  for (int64_t k = 1; k <= kBlurReach; ++k) {
    const T tap = T(kTaps[k]);
    if (y - k >= 0) {
      const T* row = middle - k * w;
#pragma omp simd
      for (int64_t x = 0; x < w; ++x) {
        out[x] += tap * row[x];
      }
    }
    if (y + k < h) {
      const T* row = middle + k * w;
#pragma omp simd
      for (int64_t x = 0; x < w; ++x) {
        out[x] += tap * row[x];
      }
    }
  }
}

// `row` has kBlurReach zeros on both sides of its w values.
template <typename T>
inline void blur_row(const T* row, int64_t w, T* __restrict out) {
  const T t0 = T(kTaps[0]), t1 = T(kTaps[1]), t2 = T(kTaps[2]), t3 = T(kTaps[3]), t4 = T(kTaps[4]),
          t5 = T(kTaps[5]);
#pragma omp simd
  for (int64_t x = 0; x < w; ++x) {
    const T* p = row + x;
    out[x] = t0 * p[0] + t1 * (p[-1] + p[1]) + t2 * (p[-2] + p[2]) + t3 * (p[-3] + p[3]) +
             t4 * (p[-4] + p[4]) + t5 * (p[-5] + p[5]);
  }
}

// Rows first ... last - 1 of the blurred plane; `line` holds padded(w) values.
template <typename T>
inline void blur_rows(
    const T* in, int64_t h, int64_t w, int64_t first, int64_t last, T* out, T* line) {
  memset(line, 0, sizeof(T) * padded(w));
  for (int64_t y = first; y < last; ++y) {
    blur_column(in, h, w, y, line + kBlurReach);
    blur_row(line + kBlurReach, w, out + y * w);
  }
}

template <typename T>
void blur(const T* in, int64_t h, int64_t w, T* out, T* scratch) {
  blur_rows(in, h, w, int64_t(0), h, out, scratch);
}

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
void frame_planes(
    const T* band, int64_t stride, int64_t h, int64_t w, FramePlanes<T> out, T* scratch) {
  T* line = scratch;
  T* re = scratch + padded(w);
  T* im = re + plane_scratch(h, w);
  T* weighted = im + plane_scratch(h, w);
  for (int64_t y = 0; y < h; ++y) {
    const T* row = band + 2 * y * stride;
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      re[y * w + x] = row[2 * x];
      im[y * w + x] = row[2 * x + 1];
    }
  }
  const int64_t n = h * w;
  atan2_all(im, re, out.phase, n);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T amplitude = T(root(re[i] * re[i] + im[i] * im[i])) + T(1e-10);
    out.amplitude[i] = amplitude;
    weighted[i] = amplitude * out.phase[i];
  }
  blur_rows(weighted, h, w, int64_t(0), h, out.denoised, line);
  blur_rows(out.amplitude, h, w, int64_t(0), h, out.inverse, line);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T inverse = T(1) / out.inverse[i];
    out.inverse[i] = inverse;
    out.denoised[i] *= inverse;
  }
}

template <typename T>
void jumps(const T* before, const T* after, bool only_down, int8_t* out, int64_t n) {
  const T pi = T(kPiD);
  const int8_t up = only_down ? 0 : 1;
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T step = after[i] - before[i];
    out[i] = int8_t((step < -pi ? up : int8_t(0)) - (step > pi ? 1 : 0));
  }
}

// Rows that hold a jump; false where the plane has none.
inline bool jump_rows(const int8_t* jumps, int64_t h, int64_t w, int64_t* first, int64_t* last) {
  bool any_in_plane = false;
  for (int64_t y = 0; y < h; ++y) {
    int any = 0;
    const int8_t* row = jumps + y * w;
#pragma omp simd reduction(| : any)
    for (int64_t x = 0; x < w; ++x) {
      any |= row[x];
    }
    if (any) {
      *first = y < *first ? y : *first;
      *last = y + 1 > *last ? y + 1 : *last;
      any_in_plane = true;
    }
  }
  return any_in_plane;
}

template <typename T>
void window(const WindowFrame<T>* frames, int64_t count, int64_t h, int64_t w, T* out, T* scratch) {
  const int64_t n = h * w;
  const T limit = T(5 * kPiD);
  T* line = scratch;
  T* turns = scratch + padded(w);  // since the window's first frame
  T* weighted = turns + plane_scratch(h, w);
  T* wrapped = weighted + plane_scratch(h, w);  // 2 pi blur(a turns) / blur(a) of the frame before
  int64_t first = h, last = 0;                  // rows that have seen a jump
  memset(turns, 0, sizeof(T) * n);
  memset(wrapped, 0, sizeof(T) * n);
  for (int64_t i = 1; i <= count; ++i, out += n) {
    const WindowFrame<T>& before = frames[i - 1];
    const WindowFrame<T>& frame = frames[i];
    if (frame.jumps == nullptr) {  // a repeated frame
      memset(out, 0, sizeof(T) * n);
      continue;
    }
    if (jump_rows(frame.jumps, h, w, &first, &last)) {
      const int8_t* jumps = frame.jumps;
#pragma omp simd
      for (int64_t j = first * w; j < last * w; ++j) {
        turns[j] += T(jumps[j]);
      }
    }
    T sum = 0;
    if (first >= last) {
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < n; ++j) {
        const T difference = frame.denoised[j] - before.denoised[j];
        sum += difference;
        out[j] = difference;
      }
    } else {
      const int64_t top = first > kBlurReach ? first - kBlurReach : 0;
      const int64_t bottom = last + kBlurReach < h ? last + kBlurReach : h;
#pragma omp simd
      for (int64_t j = 0; j < n; ++j) {
        weighted[j] = frame.amplitude[j] * turns[j] * T(2 * kPiD);
      }
      blur_rows(weighted, h, w, top, bottom, out, line);
      memset(out, 0, sizeof(T) * top * w);
      memset(out + bottom * w, 0, sizeof(T) * (h - bottom) * w);
#pragma omp simd reduction(+ : sum)
      for (int64_t j = 0; j < n; ++j) {
        const T now = out[j] * frame.inverse[j];
        const T difference = (frame.denoised[j] - before.denoised[j]) + (now - wrapped[j]);
        wrapped[j] = now;
        sum += difference;
        out[j] = difference;
      }
    }
    const T mean = sum / T(n);
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      const T centred = out[j] - mean;
      const T low = centred < -limit ? -limit : centred;
      out[j] = low > limit ? limit : low;
    }
  }
}

}  // namespace

// Constant-initialised, so that choosing a set at load time runs no code of another.
extern const Kernels<float> float_kernels = {
    scratch_size<float>,
    atan2_all,
    blur<float>,
    frame_planes<float>,
    jumps<float>,
    window<float>,
};
extern const Kernels<double> double_kernels = {
    scratch_size<double>,
    atan2_all,
    blur<double>,
    frame_planes<double>,
    jumps<double>,
    window<double>,
};

}  // namespace PHASENET_ISA
}  // namespace phasenet
