// Vectors as wide as the instruction set of this namespace, in the compilers' own notation.

constexpr int kVectorBytes = PHASENET_VECTOR_BYTES;

template <typename T>
struct Lanes {
  static constexpr int64_t count = kVectorBytes / sizeof(T);
  typedef T vector __attribute__((vector_size(kVectorBytes)));
  // The same for memory that is aligned as T only.
  typedef T loose __attribute__((vector_size(kVectorBytes), aligned(sizeof(T)), may_alias));
};

inline int64_t whole(int64_t n, int64_t unit) {  // the multiple of `unit` from n on
  return (n + unit - 1) / unit * unit;
}

template <typename T>
using Vector = typename Lanes<T>::vector;

template <typename T>
inline Vector<T> load(const T* p) {
  return *reinterpret_cast<const typename Lanes<T>::loose*>(p);
}

template <typename T>
inline void store(T* p, Vector<T> v) {
  *reinterpret_cast<typename Lanes<T>::loose*>(p) = v;
}

template <typename T>
inline Vector<T> lane_index() {
  Vector<T> index;
  for (int64_t i = 0; i < Lanes<T>::count; ++i) {
    index[i] = T(i);
  }
  return index;
}

// Stores the first `count` lanes where only `own` elements from p on may be written: what lies
// behind a plane may be another thread's.
template <typename T>
inline void store_within(T* p, Vector<T> v, int64_t count, int64_t own) {
  if (own >= Lanes<T>::count) {
    store(p, lane_index<T>() < T(count) ? v : load(p));
  } else {
    memcpy(p, &v, sizeof(T) * count);
  }
}

// The larger and the smaller of a bound and a value; NaN stays. Written like this, compilers make
// one maximum or minimum of it.
template <typename V>
inline V at_least(V bound, V v) {
  return v < bound ? bound : v;
}
template <typename V>
inline V at_most(V bound, V v) {
  return v > bound ? bound : v;
}

template <typename T>
inline T sum_of_lanes(Vector<T> v) {
  T sum = 0;
  for (int64_t i = 0; i < Lanes<T>::count; ++i) {
    sum += v[i];
  }
  return sum;
}
