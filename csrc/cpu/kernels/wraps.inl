// Where phases wrap from one frame to the next, and what that adds to the blurred wraps of a
// window: sparse, since few phases do between two frames.

// A plane of blurred wraps with room for what falls outside: kBlurReach rows above and below, and
// columns such that whatever 16 columns reach lies in 32 columns from its first on.
constexpr int64_t kFieldLeft = 8;

inline int64_t field_elements(int64_t h, int64_t w) {
  return (h + 2 * kBlurReach) * across_stride(w);
}

inline int64_t field_row(int64_t y, int64_t w) {  // what belongs to row y begins here
  return (y + kBlurReach) * across_stride(w);
}

// Bit i: whether a[i] > b[i].
#if defined(__AVX512F__)
inline uint32_t greater_bits(Vector<float> a, Vector<float> b) {
  return _mm512_cmp_ps_mask(__m512(a), __m512(b), _CMP_GT_OQ);
}
inline uint32_t greater_bits(Vector<double> a, Vector<double> b) {
  return _mm512_cmp_pd_mask(__m512d(a), __m512d(b), _CMP_GT_OQ);
}
#elif defined(__AVX__)
inline uint32_t greater_bits(Vector<float> a, Vector<float> b) {
  return _mm256_movemask_ps(_mm256_cmp_ps(__m256(a), __m256(b), _CMP_GT_OQ));
}
inline uint32_t greater_bits(Vector<double> a, Vector<double> b) {
  return _mm256_movemask_pd(_mm256_cmp_pd(__m256d(a), __m256d(b), _CMP_GT_OQ));
}
#elif defined(__SSE2__)
inline uint32_t greater_bits(Vector<float> a, Vector<float> b) {
  return _mm_movemask_ps(_mm_cmpgt_ps(__m128(a), __m128(b)));
}
inline uint32_t greater_bits(Vector<double> a, Vector<double> b) {
  return _mm_movemask_pd(_mm_cmpgt_pd(__m128d(a), __m128d(b)));
}
#else
template <typename V>
inline uint32_t greater_bits(V a, V b) {
  uint32_t bits = 0;
  for (uint32_t i = 0; i < sizeof(V) / sizeof(a[0]); ++i) {
    bits |= uint32_t(a[i] > b[i]) << i;
  }
  return bits;
}
#endif

template <typename T>
int64_t find_wraps(
    const T* before, const T* after, bool only_down, int64_t h, int64_t w, RowWraps* rows) {
  constexpr int64_t lanes = Lanes<T>::count;
  const Vector<T> pi = Vector<T>{} + T(kPiD), minus_pi = Vector<T>{} - T(kPiD);
  int64_t count = 0;
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t x = 0; x < w; x += kWrapColumns) {
      uint32_t down = 0, up = 0;
      for (int64_t i = 0; i < kWrapColumns && x + i < w; i += lanes) {
        const int64_t j = y * w + x + i;
        const Vector<T> step = load(after + j) - load(before + j);
        down |= greater_bits(step, pi) << i;
        up |= greater_bits(minus_pi, step) << i;
      }
      const uint32_t inside = w - x >= kWrapColumns ? 0xffffu : (1u << (w - x)) - 1;
      down &= inside;
      up &= only_down ? 0 : inside;
      // Always written, kept where there is something: no branch to guess wrong.
      rows[count] = {int32_t(y), int32_t(x), uint16_t(down), uint16_t(up)};
      count += (down | up) != 0;
    }
  }
  return count;
}

// The taps around column i of 16 as the 32 columns that these reach see them.
template <typename T>
struct WrapTaps {
  alignas(64) T of[kWrapColumns][2 * kWrapColumns];
};

template <typename T>
constexpr WrapTaps<T> wrap_taps() {
  WrapTaps<T> taps{};
  for (int64_t i = 0; i < kWrapColumns; ++i) {
    for (int64_t k = -kBlurReach; k <= kBlurReach; ++k) {
      taps.of[i][i + kFieldLeft + k] = T(kTaps[k < 0 ? -k : k]);
    }
  }
  return taps;
}

template <typename T>
constexpr WrapTaps<T> kWrapTaps = wrap_taps<T>();

template <typename T>
constexpr T kWrap[2] = {T(-2 * kPiD), T(2 * kPiD)};  // down, up

// 2 pi amplitude times the wraps of up to 16 columns, blurred along x: 32 columns.
template <typename T, int kParts>
inline void blur_row(const RowWraps& wraps, const T* amplitude, int64_t w, Vector<T>* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  const T* row = amplitude + wraps.row * w + wraps.column;
  for (int p = 0; p < kParts; ++p) {
    out[p] = Vector<T>{};
  }
  for (uint32_t bits = uint32_t(wraps.down) | wraps.up; bits != 0; bits &= bits - 1) {
    const int i = __builtin_ctz(bits);
    const T value = row[i] * kWrap<T>[(wraps.up >> i) & 1];
    for (int p = 0; p < kParts; ++p) {
      out[p] += value * load(kWrapTaps<T>.of[i] + p * lanes);
    }
  }
}

// field += the blurred wraps, each spread over the rows it reaches.
template <typename T>
inline void add_sparse(
    const RowWraps* rows, int64_t count, const T* amplitude, int64_t w, T* field) {
  constexpr int64_t lanes = Lanes<T>::count;
  constexpr int kParts = 2 * kWrapColumns / lanes;
  const int64_t stride = across_stride(w);
  for (int64_t c = 0; c < count; ++c) {
    Vector<T> across[kParts];
    blur_row<T, kParts>(rows[c], amplitude, w, across);
    T* top = field + rows[c].row * stride + rows[c].column;  // kBlurReach rows above
#pragma GCC unroll 16
    for (int k = 0; k <= 2 * kBlurReach; ++k) {
      const T tap = T(kTaps[k < kBlurReach ? kBlurReach - k : k - kBlurReach]);
      for (int p = 0; p < kParts; ++p) {
        T* at = top + k * stride + p * lanes;
        store(at, load(at) + tap * across[p]);
      }
    }
  }
}

// The same in two passes, which costs as much for many wraps as for few.
template <typename T>
inline void add_dense(
    const RowWraps* rows,
    int64_t count,
    const T* amplitude,
    int64_t h,
    int64_t w,
    T* field,
    T* across) {
  constexpr int64_t lanes = Lanes<T>::count;
  constexpr int kParts = 2 * kWrapColumns / lanes;
  const int64_t stride = across_stride(w);
  memset(across, 0, sizeof(T) * field_elements(h, w));
  for (int64_t c = 0; c < count; ++c) {
    Vector<T> row[kParts];
    blur_row<T, kParts>(rows[c], amplitude, w, row);
    T* at = across + field_row(rows[c].row, w) + rows[c].column;
    for (int p = 0; p < kParts; ++p) {
      store(at + p * lanes, load(at + p * lanes) + row[p]);
    }
  }
  for (int64_t x = 0; x < whole(w, lanes); x += lanes) {
    blur_columns<T>(across + x + kFieldLeft, stride, h, [&](int64_t y, Vector<T> sum) {
      T* at = field + field_row(y, w) + kFieldLeft + x;
      store(at, load(at) + sum);
    });
  }
}

template <typename T>
void add_wraps(
    const RowWraps* rows,
    int64_t count,
    const T* amplitude,
    int64_t h,
    int64_t w,
    T* field,
    T* scratch) {
  // 16 columns with wraps take 22 products; any 16 columns of the plane 11 in the second pass.
  const int64_t share = kVectorBytes == 64 ? 3 : 2;  // of 5, as measured
  const bool few = 5 * count < share * h * ((w + kWrapColumns - 1) / kWrapColumns);
  if (few) {
    add_sparse(rows, count, amplitude, w, field);
  } else {
    add_dense(rows, count, amplitude, h, w, field, scratch);
  }
}
