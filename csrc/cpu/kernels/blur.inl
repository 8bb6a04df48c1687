// The 11 x 11 Gaussian of std 2, not normalised, with zeros outside: along rows first, then along
// columns several rows at a time, so that each intermediate row is read few times.

// exp(-k^2 / 8), k = 0 ... 5
constexpr double kTaps[kBlurReach + 1] = {
    1.0,
    0.88249690258459540286,
    0.60653065971263342360,
    0.32465246735834973769,
    0.13533528323661269189,
    0.04393693362340742,
};

inline int64_t whole_lines(int64_t elements) {  // of 64 bytes, for either dtype
  return whole(elements, 16);
}

constexpr int64_t kLines = 8;

inline int64_t line_stride(int64_t w) {  // zeros of the reach on both sides, a vector to spare
  return whole_lines(w + 2 * kBlurReach + 16);
}

inline int64_t across_stride(int64_t w) {
  return whole_lines(w) + 16;
}

inline int64_t blur_scratch(int64_t h, int64_t w) {
  return kLines * line_stride(w) + (h + 2 * kBlurReach) * across_stride(w);
}

// What a blur works on, in scratch memory: `lines`, a few rows of the input with zeros around
// them, and `across`, all rows blurred along x, with room for kBlurReach rows of zeros above and
// below.
template <typename T>
struct BlurBuffers {
  T* lines;
  T* across;
  int64_t w;

  T* line(int64_t i) const {  // where the values of line i go
    return lines + i * line_stride(w) + kBlurReach;
  }
  T* row(int64_t y) const {
    return across + (y + kBlurReach) * across_stride(w);
  }
};

template <typename T>
inline BlurBuffers<T> blur_buffers(T* scratch, int64_t w) {
  memset(scratch, 0, sizeof(T) * kLines * line_stride(w));
  return {scratch, scratch + kLines * line_stride(w), w};
}

// First pass, along x, on rows first ... last - 1, which fill_line(y, line) stores as whole
// vectors. Several lines are filled before the first is read: reading what was just stored, but at
// another offset, would stall.
template <typename T, typename FillLine>
inline void blur_along_x(
    const BlurBuffers<T>& buffers, int64_t first, int64_t last, const FillLine& fill_line) {
  const int64_t w = buffers.w;
  for (int64_t start = first; start < last; start += kLines) {
    const int64_t lines = last - start < kLines ? last - start : kLines;
    for (int64_t i = 0; i < lines; ++i) {
      fill_line(start + i, buffers.line(i));
      memset(buffers.line(i) + w, 0, sizeof(T) * 16);
    }
    for (int64_t i = 0; i < lines; ++i) {
      const T* line = buffers.line(i) - kBlurReach;
      T* out = buffers.row(start + i);
      for (int64_t x = 0; x < w; x += Lanes<T>::count) {
        const T* p = line + x;
        Vector<T> sum = T(kTaps[5]) * (load(p) + load(p + 10));
        sum += T(kTaps[4]) * (load(p + 1) + load(p + 9));
        sum += T(kTaps[3]) * (load(p + 2) + load(p + 8));
        sum += T(kTaps[2]) * (load(p + 3) + load(p + 7));
        sum += T(kTaps[1]) * (load(p + 4) + load(p + 6));
        store(out + x, sum + load(p + 5));
      }
    }
  }
}

// kRows rows of the result, one vector of columns; `rows` points kBlurReach rows above the first.
template <typename T, int kRows>
inline void blur_block(const T* rows, int64_t stride, Vector<T>* out) {
  Vector<T> in[kRows + 2 * kBlurReach];
#pragma GCC unroll 16
  for (int k = 0; k < kRows + 2 * kBlurReach; ++k) {
    in[k] = load(rows + k * stride);
  }
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    const Vector<T>* at = in + r + kBlurReach;
    Vector<T> sum = at[0];
#pragma GCC unroll 16
    for (int k = 1; k <= kBlurReach; ++k) {
      sum += T(kTaps[k]) * (at[-k] + at[k]);
    }
    out[r] = sum;
  }
}

// Second pass, along y, on one vector of columns: take(y, sum) gets `count` rows of the result;
// `rows` points kBlurReach rows above the first.
template <typename T, typename Take>
inline void blur_columns(const T* rows, int64_t stride, int64_t count, const Take& take) {
  constexpr int kRows = kVectorBytes == 64 ? 6 : 4;  // with 32 registers, or 16
  Vector<T> sums[kRows];
  int64_t y = 0;
  for (; y + kRows <= count; y += kRows) {
    blur_block<T, kRows>(rows + y * stride, stride, sums);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      take(y + r, sums[r]);
    }
  }
  for (; y < count; ++y) {
    blur_block<T, 1>(rows + y * stride, stride, sums);
    take(y, sums[0]);
  }
}

// The second pass on the whole plane, to dense rows.
template <typename T>
inline void blur_to(const BlurBuffers<T>& buffers, int64_t h, T* out) {
  const int64_t w = buffers.w, stride = across_stride(w);
  memset(buffers.row(-kBlurReach), 0, sizeof(T) * kBlurReach * stride);
  memset(buffers.row(h), 0, sizeof(T) * kBlurReach * stride);
  for (int64_t x = 0; x < w; x += Lanes<T>::count) {
    blur_columns<T>(buffers.row(-kBlurReach) + x, stride, h, [&](int64_t y, Vector<T> values) {
      if (x + Lanes<T>::count <= w) {
        store(out + y * w + x, values);
      } else {
        store_within(out + y * w + x, values, w - x, (h - y) * w - x);
      }
    });
  }
}

// Rows of `in` as lines to blur; `in` has a vector to spare behind it.
template <typename T>
inline void copy_line(const T* in, int64_t w, T* line) {
  for (int64_t x = 0; x < w; x += Lanes<T>::count) {
    store(line + x, load(in + x));
  }
}

template <typename T>
void blur(const T* in, int64_t h, int64_t w, T* out, T* scratch) {
  const BlurBuffers<T> buffers = blur_buffers(scratch, w);
  blur_along_x(buffers, int64_t(0), h, [&](int64_t y, T* line) { copy_line(in + y * w, w, line); });
  blur_to(buffers, h, out);
}
