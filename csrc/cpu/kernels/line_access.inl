// Where passes of a transform read and write: element i of a line, for all lanes.

// What works on a pass's numbers: they stay in registers only if no function is called.
#define PHASENET_INLINE inline __attribute__((always_inline))

template <typename T>
struct Pair {  // complex numbers, one for each lane
  Vector<T> re, im;
};

template <typename T>
struct Plain {
  T* re;
  T* im;
  int64_t stride;

  PHASENET_INLINE Pair<T> get(int64_t i) const {
    return {load(re + i * stride), load(im + i * stride)};
  }
  PHASENET_INLINE void put(int64_t i, Pair<T> x) const {
    store(re + i * stride, x.re);
    store(im + i * stride, x.im);
  }
};

template <typename T>
PHASENET_INLINE Plain<T> tile(T* p) {  // [n][re, im][lane]
  return {p, p + Lanes<T>::count, 2 * Lanes<T>::count};
}

template <typename T>
PHASENET_INLINE Plain<T> swapped(
    Plain<T> x) {  // a transform of swapped numbers is the inverse, swapped
  return {x.im, x.re, x.stride};
}

// An image's spectrum times a level's weights of one sign, both from a tile; swapped.
template <typename T>
struct Masked {
  const T* spectrum;
  const T* weights;
  FrequencyRange range;
  T sign;
  int64_t w, half, image_w;

  PHASENET_INLINE Pair<T> get(int64_t i) const {
    constexpr int64_t lanes = Lanes<T>::count;
    const int64_t k = i < half ? i : i - w;
    if (k < range.begin || k >= range.end) {
      return {Vector<T>{}, Vector<T>{}};
    }
    const T* values = spectrum + 2 * lanes * (k < 0 ? k + image_w : k);
    const Vector<T> signed_weight = sign * load(weights + i * lanes);
    const Vector<T> weight = signed_weight > T(0) ? signed_weight : Vector<T>{};
    return {load(values + lanes) * weight, load(values) * weight};
  }
};

// Rows of complex numbers, whole vectors of columns; swapped where they are written.
template <typename T>
struct Rows {
  T* p;
  int64_t stride;

  PHASENET_INLINE Pair<T> get(int64_t i) const {
    Vector<T> a = load(p + i * stride), b = load(p + i * stride + Lanes<T>::count);
    separate<T>(a, b);
    return {a, b};
  }
  PHASENET_INLINE void put(int64_t i, Pair<T> x) const {
    Vector<T> a = x.im, b = x.re;
    interleave<T>(a, b);
    store(p + i * stride, a);
    store(p + i * stride + Lanes<T>::count, b);
  }
};

// Element i of a line of 2 n that is n elements and their mirror image; read only.
template <typename T>
struct Mirrored {
  const T* re;
  const T* im;
  int64_t stride, n;

  PHASENET_INLINE Pair<T> get(int64_t i) const {
    const int64_t at = (i < n ? i : 2 * n - 1 - i) * stride;
    return {load(re + at), load(im + at)};
  }
};

// The first n elements, real and imaginary parts by themselves; swapped, written only.
template <typename T>
struct FirstRows {
  T* re;
  T* im;
  int64_t stride, n;

  PHASENET_INLINE void put(int64_t i, Pair<T> x) const {
    if (i < n) {
      store(re + i * stride, x.im);
      store(im + i * stride, x.re);
    }
  }
};
