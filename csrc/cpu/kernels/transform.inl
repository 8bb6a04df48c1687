// Fourier transforms of as many lines at once as a vector has lanes.

template <typename T>
PHASENET_INLINE Pair<T> operator+(Pair<T> a, Pair<T> b) {
  return {a.re + b.re, a.im + b.im};
}

template <typename T>
PHASENET_INLINE Pair<T> operator-(Pair<T> a, Pair<T> b) {
  return {a.re - b.re, a.im - b.im};
}

template <typename T>
PHASENET_INLINE Pair<T> times(Pair<T> a, T c, T s) {  // c + i s
  return {a.re * c - a.im * s, a.re * s + a.im * c};
}

template <typename T>
PHASENET_INLINE Pair<T> minus_i(Pair<T> a) {
  return {a.im, -a.re};
}

// In place, y[k] = sum x[j] e^(-2 pi i j k / r).

template <typename T>
PHASENET_INLINE void dft2(Pair<T>& a, Pair<T>& b) {
  const Pair<T> sum = a + b;
  b = a - b;
  a = sum;
}

template <typename T>
PHASENET_INLINE void dft4(Pair<T>& x0, Pair<T>& x1, Pair<T>& x2, Pair<T>& x3) {
  const Pair<T> a = x0 + x2, b = x0 - x2, c = x1 + x3, d = x1 - x3;
  x0 = a + c;
  x2 = a - c;
  x1 = {b.re + d.im, b.im - d.re};
  x3 = {b.re - d.im, b.im + d.re};
}

template <typename T>
PHASENET_INLINE void dft8(Pair<T>* x) {
  constexpr T half = T(0.70710678118654752440);
  dft4(x[0], x[2], x[4], x[6]);
  dft4(x[1], x[3], x[5], x[7]);
  const Pair<T> a = {x[3].re + x[3].im, x[3].im - x[3].re};
  const Pair<T> b = minus_i(x[5]);
  const Pair<T> c = {x[7].im - x[7].re, -x[7].re - x[7].im};
  const Pair<T> e0 = x[0], e1 = x[2], e2 = x[4], e3 = x[6], o0 = x[1];
  x[0] = e0 + o0;
  x[4] = e0 - o0;
  x[1] = {e1.re + half * a.re, e1.im + half * a.im};
  x[5] = {e1.re - half * a.re, e1.im - half * a.im};
  x[2] = e2 + b;
  x[6] = e2 - b;
  x[3] = {e3.re + half * c.re, e3.im + half * c.im};
  x[7] = {e3.re - half * c.re, e3.im - half * c.im};
}

// Odd r: y[k] and y[r - k] share their products. `roots` are cos and sin of 2 pi j / r.
template <typename T, int kRadix>
PHASENET_INLINE void dft_odd(Pair<T>* x, const T* roots) {
  constexpr int half = kRadix / 2;
  Pair<T> sum[half], difference[half];
#pragma GCC unroll 8
  for (int j = 0; j < half; ++j) {
    sum[j] = x[j + 1] + x[kRadix - 1 - j];
    difference[j] = x[j + 1] - x[kRadix - 1 - j];
  }
  const Pair<T> first = x[0];
#pragma GCC unroll 8
  for (int j = 0; j < half; ++j) {
    x[0] = x[0] + sum[j];
  }
#pragma GCC unroll 8
  for (int k = 1; k <= half; ++k) {
    Pair<T> a = first, b = {Vector<T>{}, Vector<T>{}};
#pragma GCC unroll 8
    for (int j = 1; j <= half; ++j) {
      const T cosine = roots[2 * (j * k % kRadix)], sine = roots[2 * (j * k % kRadix) + 1];
      a.re += cosine * sum[j - 1].re;
      a.im += cosine * sum[j - 1].im;
      b.re += sine * difference[j - 1].re;
      b.im += sine * difference[j - 1].im;
    }
    x[k] = {a.re + b.im, a.im - b.re};
    x[kRadix - k] = {a.re - b.im, a.im + b.re};
  }
}

template <typename T, int kRadix>
PHASENET_INLINE void dft(Pair<T>* x, const T* roots);

// r = A B without common factors (Good and Thomas): no twiddles between the two. The roots are
// those of B.
template <typename T, int kA, int kB>
PHASENET_INLINE void dft_product(Pair<T>* x, const T* roots) {
  constexpr int n = kA * kB;
  Pair<T> rows[kA][kB];
#pragma GCC unroll 16
  for (int b = 0; b < kB; ++b) {
    Pair<T> column[kA];
#pragma GCC unroll 16
    for (int a = 0; a < kA; ++a) {
      column[a] = x[(kB * a + kA * b) % n];
    }
    dft<T, kA>(column, nullptr);
#pragma GCC unroll 16
    for (int a = 0; a < kA; ++a) {
      rows[a][b] = column[a];
    }
  }
#pragma GCC unroll 16
  for (int a = 0; a < kA; ++a) {
    dft<T, kB>(rows[a], roots);
  }
#pragma GCC unroll 16
  for (int k = 0; k < n; ++k) {
    x[k] = rows[k % kA][k % kB];
  }
}

template <typename T, int kRadix>
PHASENET_INLINE void dft(Pair<T>* x, const T* roots) {
  if constexpr (kRadix == 2) {
    dft2(x[0], x[1]);
  } else if constexpr (kRadix == 4) {
    dft4(x[0], x[1], x[2], x[3]);
  } else if constexpr (kRadix == 6) {
    dft_product<T, 2, 3>(x, roots);
  } else if constexpr (kRadix == 8) {
    dft8(x);
  } else {
    dft_odd<T, kRadix>(x, roots);
  }
}

template <typename T, int kRadix, bool kTwiddles, typename In, typename Out>
inline void pass(const TransformPass<T>& plan, In in, Out out) {
  const int64_t m = plan.m, s = plan.s;
  const T* twiddles = plan.twiddles;
  for (int64_t p = 0; p < m; ++p, twiddles += 2 * (kRadix - 1)) {
    for (int64_t q = 0; q < s; ++q) {
      Pair<T> x[kRadix];
#pragma GCC unroll 16
      for (int j = 0; j < kRadix; ++j) {
        x[j] = in.get(q + s * (p + m * j));
      }
      dft<T, kRadix>(x, plan.roots);
      out.put(q + s * kRadix * p, x[0]);
#pragma GCC unroll 16
      for (int k = 1; k < kRadix; ++k) {
        if constexpr (kTwiddles) {
          x[k] = times(x[k], twiddles[2 * k - 2], twiddles[2 * k - 1]);
        }
        out.put(q + s * (kRadix * p + k), x[k]);
      }
    }
  }
}

// Any odd radix.
template <typename T, typename In, typename Out>
inline void any_pass(const TransformPass<T>& plan, In in, Out out) {
  const int64_t m = plan.m, s = plan.s, radix = plan.radix, half = radix / 2;
  Pair<T> sum[kLargestPrime / 2], difference[kLargestPrime / 2];
  for (int64_t p = 0; p < m; ++p) {
    const T* twiddles = plan.twiddles + 2 * (radix - 1) * p - 2;
    for (int64_t q = 0; q < s; ++q) {
      const Pair<T> first = in.get(q + s * p);
      Pair<T> total = first;
      for (int64_t j = 1; j <= half; ++j) {
        const Pair<T> a = in.get(q + s * (p + m * j)), b = in.get(q + s * (p + m * (radix - j)));
        sum[j - 1] = a + b;
        difference[j - 1] = a - b;
        total = total + sum[j - 1];
      }
      out.put(q + s * radix * p, total);
      for (int64_t k = 1; k <= half; ++k) {
        Pair<T> a = first, b = {Vector<T>{}, Vector<T>{}};
        int64_t root = 0;
        for (int64_t j = 0; j < half; ++j) {
          root += root + k >= radix ? k - radix : k;
          const T cosine = plan.roots[2 * root], sine = plan.roots[2 * root + 1];
          a.re += cosine * sum[j].re;
          a.im += cosine * sum[j].im;
          b.re += sine * difference[j].re;
          b.im += sine * difference[j].im;
        }
        const Pair<T> low = {a.re + b.im, a.im - b.re}, high = {a.re - b.im, a.im + b.re};
        const T* w = twiddles + 2 * k;
        out.put(q + s * (radix * p + k), times(low, w[0], w[1]));
        w = twiddles + 2 * (radix - k);
        out.put(q + s * (radix * p + radix - k), times(high, w[0], w[1]));
      }
    }
  }
}

template <typename T>
Plain<T> all_passes(const LinePlan<T>& plan, Plain<T> from, Plain<T> to, T* beside);

// A large prime radix. The second transform is an inverse one, so numbers are swapped before it.
template <typename T, bool kTwiddles, typename In, typename Out>
inline void convolution_pass(const TransformPass<T>& plan, In in, Out out, T* work) {
  const Convolution<T>& by = *plan.convolution;
  const int64_t m = plan.m, s = plan.s, radix = plan.radix, length = by.line.n;
  const Plain<T> a = tile(work), b = tile(work + 2 * Lanes<T>::count * length);
  T* beside = work + 4 * Lanes<T>::count * length;
  for (int64_t p = 0; p < m; ++p) {
    const T* twiddles = plan.twiddles + 2 * (radix - 1) * p - 2;
    for (int64_t q = 0; q < s; ++q) {
      const Pair<T> first = in.get(q + s * p);
      for (int64_t i = 0; i < by.count; ++i) {
        const Pair<T> x = in.get(q + s * (p + m * by.sources[i]));
        a.put(i, by.chirp == nullptr ? x : times(x, by.chirp[2 * i], by.chirp[2 * i + 1]));
      }
      for (int64_t i = by.count; i < length; ++i) {
        a.put(i, {Vector<T>{}, Vector<T>{}});
      }
      const Plain<T> spectrum = all_passes(by.line, a, b, beside);
      const Pair<T> sum = first + spectrum.get(0);
      for (int64_t i = 0; i < length; ++i) {
        const Pair<T> x = times(spectrum.get(i), by.spectrum[2 * i], by.spectrum[2 * i + 1]);
        spectrum.put(i, {x.im, x.re});
      }
      if (by.chirp == nullptr) {
        const Pair<T> x = spectrum.get(0);
        spectrum.put(0, {x.re + first.im, x.im + first.re});
        out.put(q + s * radix * p, sum);
      }
      const Plain<T> result = all_passes(by.line, spectrum, spectrum.re == a.re ? b : a, beside);
      for (int64_t i = 0; i < by.count; ++i) {
        const Pair<T> y = result.get(i);
        Pair<T> x = {y.im, y.re};
        if (by.chirp != nullptr) {
          x = times(x, by.chirp[2 * i], by.chirp[2 * i + 1]);
        }
        const int64_t k = by.targets[i];
        if (kTwiddles && k > 0) {
          x = times(x, twiddles[2 * k], twiddles[2 * k + 1]);
        }
        out.put(q + s * (radix * p + k), x);
      }
    }
  }
}

template <typename T, bool kTwiddles, typename In, typename Out>
inline void any_radix(const TransformPass<T>& plan, In in, Out out, T* beside) {
  switch (plan.radix) {
    case 2:
      return pass<T, 2, kTwiddles>(plan, in, out);
    case 3:
      return pass<T, 3, kTwiddles>(plan, in, out);
    case 4:
      return pass<T, 4, kTwiddles>(plan, in, out);
    case 5:
      return pass<T, 5, kTwiddles>(plan, in, out);
    case 6:
      return pass<T, 6, kTwiddles>(plan, in, out);
    case 7:
      return pass<T, 7, kTwiddles>(plan, in, out);
    case 8:
      return pass<T, 8, kTwiddles>(plan, in, out);
    default:
      return plan.convolution == nullptr ? any_pass(plan, in, out)
                                         : convolution_pass<T, kTwiddles>(plan, in, out, beside);
  }
}

// All passes between two lines of pairs; returns the one that the result is in.
template <typename T>
__attribute__((noinline)) Plain<T> all_passes(
    const LinePlan<T>& plan, Plain<T> from, Plain<T> to, T* beside) {
  for (int64_t i = 0; i < plan.count; ++i) {
    if (i + 1 < plan.count) {
      any_radix<T, true>(plan.passes[i], from, to, beside);
    } else {
      any_radix<T, false>(plan.passes[i], from, to, beside);
    }
    const Plain<T> last = from;
    from = to;
    to = last;
  }
  return from;
}

// The transform of a line of pairs, `work` being 2 n + beside pairs. What is read may be written.
template <typename T, typename In, typename Out>
__attribute__((noinline)) void transform(const LinePlan<T>& plan, In in, Out out, T* work) {
  if (plan.count == 1) {
    return any_radix<T, false>(plan.passes[0], in, out, work);
  }
  Plain<T> from = tile(work), to = tile(work + 2 * Lanes<T>::count * plan.n);
  T* beside = work + 4 * Lanes<T>::count * plan.n;
  any_radix<T, true>(plan.passes[0], in, from, beside);
  for (int64_t i = 1; i + 1 < plan.count; ++i) {
    any_radix<T, true>(plan.passes[i], from, to, beside);
    const Plain<T> last = from;
    from = to;
    to = last;
  }
  any_radix<T, false>(plan.passes[plan.count - 1], from, out, beside);
}
