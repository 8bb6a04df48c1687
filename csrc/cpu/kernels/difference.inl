// One plane of one window: the difference of two consecutive frames' denoised phases, unwrapped
// from the window's start.

template <typename T>
inline void centre_and_clamp(const T* plane, int64_t n, T mean, T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  const Vector<T> limit = Vector<T>{} + T(5 * kPiD);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    store(out + j, at_most(limit, at_least(-limit, load(plane + j) - mean)));
  }
  for (; j < n; ++j) {
    const T value = plane[j] - mean;
    out[j] = value < -limit[0] ? -limit[0] : (value > limit[0] ? limit[0] : value);
  }
}

template <typename T>
inline T plane_sum(const T* plane, int64_t n) {
  constexpr int64_t lanes = Lanes<T>::count;
  Vector<T> sums{};
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    sums += load(plane + j);
  }
  T sum = sum_of_lanes<T>(sums);
  for (; j < n; ++j) {
    sum += plane[j];
  }
  return sum;
}

template <typename T>
void subtract(const T* after, const T* before, int64_t n, T* out) {
#pragma omp simd
  for (int64_t j = 0; j < n; ++j) {
    out[j] = after[j] - before[j];
  }
}

inline int64_t kept_elements(int64_t h, int64_t w) {
  return h * whole_lines(w);
}

// plane = step + the frame's wraps less those of the frame before, where a frame's wraps are its
// field / blur(amplitude); keeps them for the next frame. Returns the plane's sum. Wraps are
// rounded before they are subtracted (they are stored, so no product is fused with the difference):
// equal frames differ by exactly nothing.
template <typename T, bool kHasBefore>
inline T unwrapped_step(
    const T* step, const T* field, const T* inverse, int64_t h, int64_t w, T* kept, T* plane) {
  constexpr int64_t lanes = Lanes<T>::count;
  const int64_t stride = whole_lines(w);
  Vector<T> sums{};
  for (int64_t y = 0; y < h; ++y) {
    const T* row = field + field_row(y, w) + kFieldLeft;
    T* kept_row = kept + y * stride;
    const int64_t j = y * w;
    const auto at = [&](int64_t x) {
      const Vector<T> wrapped = load(row + x) * load(inverse + j + x);
      const Vector<T> change = kHasBefore ? wrapped - load(kept_row + x) : wrapped;
      const Vector<T> value = load(step + j + x) + change;
      store(kept_row + x, wrapped);
      store(plane + j + x, value);  // behind a row: the next row follows
      return value;
    };
    int64_t x = 0;
    for (; x + lanes <= w; x += lanes) {
      sums += at(x);
    }
    if (x < w) {
      const Vector<T> last = at(x);
      sums += lane_index<T>() < T(w - x) ? last : Vector<T>{};
    }
  }
  return sum_of_lanes<T>(sums);
}

template <typename T>
void difference(const WindowStep<T>& step, int64_t h, int64_t w, T* kept, T* out, T* scratch) {
  const int64_t n = h * w;
  if (step.field == nullptr) {
    centre_and_clamp(step.plain, n, plane_sum(step.plain, n) / T(n), out);
    return;
  }
  const auto unwrapped = step.has_before ? unwrapped_step<T, true> : unwrapped_step<T, false>;
  const T sum = unwrapped(step.plain, step.field, step.inverse, h, w, kept, scratch);
  centre_and_clamp(scratch, n, sum / T(n), out);
}

template <typename T>
void keep_wraps(const T* field, const T* inverse, int64_t h, int64_t w, T* kept) {
  const int64_t stride = whole_lines(w);
  for (int64_t y = 0; y < h; ++y) {
    const T* row = field + field_row(y, w) + kFieldLeft;
    for (int64_t x = 0; x < w; x += Lanes<T>::count) {
      store(kept + y * stride + x, load(row + x) * load(inverse + y * w + x));
    }
  }
}
