// Shuffles of vectors: square transposes, and between separate and interleaved complex numbers.

#if defined(__clang__) || __GNUC__ >= 12
#define PHASENET_SHUFFLE(T, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define PHASENET_SHUFFLE(T, a, b, ...) \
  __builtin_shuffle(a, b, typename Indices<T>::vector{__VA_ARGS__})
#endif

template <typename T>
struct Indices {
  typedef int32_t vector __attribute__((vector_size(kVectorBytes)));
};
template <>
struct Indices<double> {
  typedef int64_t vector __attribute__((vector_size(kVectorBytes)));
};

// Numbers 0 ... n - 1 as a parameter pack: types, of which no code comes.
template <int... kI>
using Pack = std::integer_sequence<int, kI...>;
template <typename T>
using AllLanes = std::make_integer_sequence<int, int(Lanes<T>::count)>;

// Within each 128 bits, units of `unit` elements alternately from a and b: from the low half, or
// the high one.
constexpr int unpack_index(int i, int unit, int lanes, int in_128, bool high) {
  const int block = i / in_128 * in_128, within = i % in_128;
  const int place = within / (2 * unit) * unit + within % unit + (high ? in_128 / 2 : 0);
  return block + place + (within / unit % 2 == 1 ? lanes : 0);
}

template <typename T, int kUnit, bool kHigh, int... kI>
inline Vector<T> unpack(Vector<T> a, Vector<T> b, Pack<kI...>) {
  constexpr int lanes = sizeof...(kI), in_128 = 16 / sizeof(T);
  return PHASENET_SHUFFLE(T, a, b, unpack_index(kI, kUnit, lanes, in_128, kHigh)...);
}

// Even blocks of `unit` elements of a and b alternately, or the odd ones.
constexpr int exchange_index(int i, int unit, int lanes, bool odd) {
  const int block = i / unit;
  return (block / 2 * 2 + (odd ? 1 : 0)) * unit + i % unit + (block % 2 == 1 ? lanes : 0);
}

template <typename T, int kUnit, bool kOdd, int... kI>
inline Vector<T> exchange(Vector<T> a, Vector<T> b, Pack<kI...>) {
  constexpr int lanes = sizeof...(kI);
  return PHASENET_SHUFFLE(T, a, b, exchange_index(kI, kUnit, lanes, kOdd)...);
}

template <typename T, bool kHigh, int... kI>
inline Vector<T> zip(Vector<T> a, Vector<T> b, Pack<kI...>) {
  constexpr int lanes = sizeof...(kI);
  return PHASENET_SHUFFLE(T, a, b, ((kI + (kHigh ? lanes : 0)) / 2 + kI % 2 * lanes)...);
}

template <typename T, bool kOdd, int... kI>
inline Vector<T> every_second(Vector<T> a, Vector<T> b, Pack<kI...>) {
  return PHASENET_SHUFFLE(T, a, b, (2 * kI + (kOdd ? 1 : 0))...);
}

#undef PHASENET_SHUFFLE

// a0 b0 a1 b1 ...: the first half of it to `a`, the second to `b`; and back.
template <typename T>
inline void interleave(Vector<T>& a, Vector<T>& b) {
  const Vector<T> low = zip<T, false>(a, b, AllLanes<T>());
  b = zip<T, true>(a, b, AllLanes<T>());
  a = low;
}

template <typename T>
inline void separate(Vector<T>& a, Vector<T>& b) {
  const Vector<T> even = every_second<T, false>(a, b, AllLanes<T>());
  b = every_second<T, true>(a, b, AllLanes<T>());
  a = even;
}

// The blocks of `unit` elements and larger ones that a transpose moves across its diagonal.
template <typename T, int kUnit>
inline __attribute__((always_inline)) void exchange_blocks(Vector<T>* v) {
  constexpr int lanes = Lanes<T>::count;
  if constexpr (kUnit < lanes) {
#pragma GCC unroll 16
    for (int i = 0; i < lanes; ++i) {
      if (i / kUnit % 2 == 0) {
        const Vector<T> a = v[i], b = v[i + kUnit];
        v[i] = exchange<T, kUnit, false>(a, b, AllLanes<T>());
        v[i + kUnit] = exchange<T, kUnit, true>(a, b, AllLanes<T>());
      }
    }
    exchange_blocks<T, 2 * kUnit>(v);
  }
}

// Transposes the square of as many vectors as they have lanes: in each 128 bits first, where
// shuffles are cheap, then blocks of 128 bits.
template <typename T>
inline __attribute__((always_inline)) void transpose(Vector<T>* v) {
  constexpr int lanes = Lanes<T>::count;
  const AllLanes<T> all;
  if constexpr (sizeof(T) == 4) {
#pragma GCC unroll 4
    for (int i = 0; i < lanes; i += 4) {
      const Vector<T> a = unpack<T, 1, false>(v[i], v[i + 1], all);
      const Vector<T> b = unpack<T, 1, false>(v[i + 2], v[i + 3], all);
      const Vector<T> c = unpack<T, 1, true>(v[i], v[i + 1], all);
      const Vector<T> d = unpack<T, 1, true>(v[i + 2], v[i + 3], all);
      v[i] = unpack<T, 2, false>(a, b, all);
      v[i + 1] = unpack<T, 2, true>(a, b, all);
      v[i + 2] = unpack<T, 2, false>(c, d, all);
      v[i + 3] = unpack<T, 2, true>(c, d, all);
    }
    exchange_blocks<T, 4>(v);
  } else {
#pragma GCC unroll 4
    for (int i = 0; i < lanes; i += 2) {
      const Vector<T> a = v[i], b = v[i + 1];
      v[i] = unpack<T, 1, false>(a, b, all);
      v[i + 1] = unpack<T, 1, true>(a, b, all);
    }
    exchange_blocks<T, 2>(v);
  }
}
