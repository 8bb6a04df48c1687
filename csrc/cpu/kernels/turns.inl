// Coefficients whose phases are turned by smoothed amounts, and the filters in time that give
// these.

// Sine and cosine within 1e-7 of angles up to some thousands: reduced to a quarter turn in three
// parts, then polynomials of degree 7 and 8. Of larger angles, which float32 does not tell apart
// from their neighbours, those of some angle.
inline void fast_sincos(float angle, float* sine, float* cosine) {
  constexpr float round = 12582912.0f;  // 1.5 * 2^23: adding it rounds to whole numbers
  const float shifted = angle * float(2 / kPiD) + round;
  int32_t bits;
  memcpy(&bits, &shifted, sizeof(bits));
  const float n = shifted - round;
  float r = angle - n * 1.5703125f;
  r = r - n * 4.837512969970703125e-4f;
  r = r - n * 7.54978995489188216e-8f;
  r = r > 0.8f ? 0.8f : r;  // NaN stays NaN
  r = r < -0.8f ? -0.8f : r;
  const float s = r * r;
  const float sin_r =
      r +
      r * s * (-0.166666641831398f + s * (0.008332744240760803f + s * -0.00019587001588661224f));
  const float cos_r =
      1 - 0.5f * s +
      s * s * (0.0416666641831398f + s * (-0.0013888298999518156f + s * 2.4547030989197083e-05f));
  const bool odd = (bits & 1) != 0;
  const float a = odd ? cos_r : sin_r, b = odd ? sin_r : cos_r;
  *sine = (bits & 2) != 0 ? -a : a;
  *cosine = ((bits + 1) & 2) != 0 ? -b : b;
}

inline void fast_sincos(double angle, double* sine, double* cosine) {
  *sine = sin(angle);
  *cosine = cos(angle);
}

// Rows of a plane with zeros of `reach` on both sides, of which a few are kept at a time.
constexpr int kTurnRows = 4;  // that are turned together

struct TurnRows {
  int64_t w, reach;
  int64_t stride() const {
    return whole_lines(w + 2 * reach + 16);
  }
  int64_t kept() const {
    return 2 * reach + kTurnRows;
  }
};

inline int64_t turn_scratch(int64_t w, int64_t reach) {
  const TurnRows rows{w, reach};
  // A line of each, their blurred rows, what is turned, and four rows to work in.
  return (2 + 2 * rows.kept() + kTurnRows + 4) * rows.stride();
}

// out[x] = sum_k taps[|k|] in[x + k] of a line with its margins. kReach: that of the taps where it
// is known to the compiler, else 0; here and below.
template <int64_t kReach, typename T>
inline void blur_line(const T* line, const T* taps, TurnRows rows, T* out) {
  const int64_t reach = kReach > 0 ? kReach : rows.reach;
  for (int64_t x = 0; x < rows.w; x += Lanes<T>::count) {
    const T* p = line + reach + x;
    Vector<T> sum = taps[0] * load(p);
#pragma GCC unroll 8
    for (int64_t k = 1; k <= reach; ++k) {
      sum += taps[k] * (load(p - k) + load(p + k));
    }
    store(out + x, sum);
  }
}

// The quotients of both planes' blurred rows y ... y + kTurnRows - 1, to as many rows; `weighted`
// and `amplitude` are rings of rows. Each of their rows is read once.
template <int64_t kReach, typename T>
inline void blurred_quotients(
    const T* weighted, const T* amplitude, const T* taps, TurnRows rows, int64_t y, T* out) {
  const int64_t reach = kReach > 0 ? kReach : rows.reach;
  int64_t at[2 * kMostReach + kTurnRows];  // where the rows from y - reach on lie
  for (int64_t i = 0; i < rows.kept(); ++i) {
    at[i] = (y + i + rows.kept() - reach) % rows.kept() * rows.stride();
  }
  for (int64_t x = 0; x < rows.w; x += Lanes<T>::count) {
    Vector<T> sums[kTurnRows] = {}, weights[kTurnRows] = {};
#pragma GCC unroll 16
    for (int64_t i = 0; i < 2 * reach + kTurnRows; ++i) {
      const Vector<T> above = load(weighted + at[i] + x), below = load(amplitude + at[i] + x);
#pragma GCC unroll 4
      for (int r = 0; r < kTurnRows; ++r) {
        const int64_t k = i - r - reach;
        if (k >= -reach && k <= reach) {
          sums[r] += taps[k < 0 ? -k : k] * above;
          weights[r] += taps[k < 0 ? -k : k] * below;
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kTurnRows; ++r) {
      store(out + r * rows.stride() + x, sums[r] / weights[r]);
    }
  }
}

// Turns the phases of a plane by blur(amplitude * turn) / blur(amplitude), or without a reach by
// the turns themselves. turns_of(y, re, im, turns) gives those of a row, finish(y, turns) may
// change them once they are smoothed; both get `w` values.
template <int64_t kReach, typename T, typename TurnsOf, typename Finish>
inline void turn_rows_of(
    const T* band,
    int64_t h,
    int64_t w,
    Smoothing<T> smoothing,
    T* out,
    T* scratch,
    const TurnsOf& turns_of,
    const Finish& finish) {
  const TurnRows rows{w, smoothing.reach};
  const int64_t stride = rows.stride(), reach = rows.reach;
  memset(scratch, 0, sizeof(T) * turn_scratch(w, reach));
  T* line = scratch;
  T* weight_line = line + stride;
  T* weighted = weight_line + stride;
  T* amplitude = weighted + rows.kept() * stride;
  T* turned = amplitude + rows.kept() * stride;
  T* re = turned + kTurnRows * stride;
  T* im = re + stride;
  T* sine = im + stride;
  T* cosine = sine + stride;
  const auto read_row = [&](int64_t y) {
    T* turns = turned + y % kTurnRows * stride;
    const int64_t slot = y % rows.kept() * stride;
    if (y >= h) {
      memset(weighted + slot, 0, sizeof(T) * stride);
      memset(amplitude + slot, 0, sizeof(T) * stride);
      return;
    }
    const T* from = band + 2 * y * w;
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      re[x] = from[2 * x];
      im[x] = from[2 * x + 1];
    }
    turns_of(y, re, im, turns);
    if (reach > 0) {
      T* to = line + reach;
      T* weight_to = weight_line + reach;
#pragma omp simd
      for (int64_t x = 0; x < w; ++x) {
        const T magnitude = T(root(re[x] * re[x] + im[x] * im[x])) + T(1e-10);
        weight_to[x] = magnitude;
        to[x] = magnitude * turns[x];
      }
      blur_line<kReach>(line, smoothing.taps, rows, weighted + slot);
      blur_line<kReach>(weight_line, smoothing.taps, rows, amplitude + slot);
    }
  };
  const auto turn_row = [&](int64_t y) {
    T* turns = turned + y % kTurnRows * stride;
    finish(y, turns);
    const T* from = band + 2 * y * w;
    T* to = out + 2 * y * w;
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      fast_sincos(turns[x], &sine[x], &cosine[x]);
    }
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      const T a = from[2 * x], b = from[2 * x + 1];
      to[2 * x] = a * cosine[x] - b * sine[x];
      to[2 * x + 1] = a * sine[x] + b * cosine[x];
    }
  };
  int64_t read = 0;
  for (int64_t y = 0; y < h; y += kTurnRows) {
    for (; read < y + kTurnRows + reach; ++read) {
      read_row(read);
    }
    if (reach > 0) {
      blurred_quotients<kReach>(weighted, amplitude, smoothing.taps, rows, y, turned);
    }
    for (int64_t i = y; i < y + kTurnRows && i < h; ++i) {
      turn_row(i);
    }
  }
}

template <typename T, typename TurnsOf, typename Finish>
inline void turn_rows(
    const T* band,
    int64_t h,
    int64_t w,
    Smoothing<T> smoothing,
    T* out,
    T* scratch,
    const TurnsOf& turns_of,
    const Finish& finish) {
  smoothing.reach == kBlurReach
      ? turn_rows_of<kBlurReach>(band, h, w, smoothing, out, scratch, turns_of, finish)
      : turn_rows_of<0>(band, h, w, smoothing, out, scratch, turns_of, finish);
}

template <typename T>
void turn_plane(
    const T* band,
    const T* turns,
    int64_t h,
    int64_t w,
    Smoothing<T> smoothing,
    T* out,
    T* scratch) {
  turn_rows(
      band,
      h,
      w,
      smoothing,
      out,
      scratch,
      [&](int64_t y, const T*, const T*, T* row) { memcpy(row, turns + y * w, sizeof(T) * w); },
      [](int64_t, T*) {});
}

template <typename T>
void turn_and_filter(
    T* band,
    T* state,
    int64_t state_stride,
    int64_t h,
    int64_t w,
    const PhaseFilter<T>& filter,
    Smoothing<T> smoothing,
    T* scratch) {
  const auto turns_of = [&](int64_t y, const T* re, const T* im, T* turns) {
    T* before = state + y * w;
    T* moved = before + state_stride;
    atan2_all(im, re, turns, w);
    if (filter.first) {
      memcpy(before, turns, sizeof(T) * w);
      for (int64_t i = 1; i < 2 + 2 * filter.sections; ++i) {
        memset(before + i * state_stride, 0, sizeof(T) * w);
      }
      memset(turns, 0, sizeof(T) * w);
      return;
    }
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      T step = turns[x] - before[x];
      step = step > T(kPiD) ? step - T(2 * kPiD) : step;
      step = step < -T(kPiD) ? step + T(2 * kPiD) : step;
      before[x] = turns[x];
      moved[x] += step;
      turns[x] = moved[x];
    }
    for (int64_t i = 0; i < filter.sections; ++i) {
      const T* c = filter.coefficients + 5 * i;
      T* first = moved + (1 + 2 * i) * state_stride;
      T* second = first + state_stride;
#pragma omp simd
      for (int64_t x = 0; x < w; ++x) {
        const T in = turns[x], value = c[0] * in + first[x];
        first[x] = c[1] * in - c[3] * value + second[x];
        second[x] = c[2] * in - c[4] * value;
        turns[x] = value;
      }
    }
#pragma omp simd
    for (int64_t x = 0; x < w; ++x) {
      turns[x] *= filter.gain;
    }
    if (filter.limit > 0) {
#pragma omp simd
      for (int64_t x = 0; x < w; ++x) {
        const T part = turns[x] / filter.limit, square = part * part;
        turns[x] /= T(root(root(1 + square * square)));
      }
    }
  };
  const auto finish = [&](int64_t y, T* turns) {
    const T* moved = state + state_stride + y * w;
    if (filter.still) {
#pragma omp simd
      for (int64_t x = 0; x < w; ++x) {
        turns[x] -= moved[x];
      }
    }
  };
  turn_rows(band, h, w, smoothing, band, scratch, turns_of, finish);
}
