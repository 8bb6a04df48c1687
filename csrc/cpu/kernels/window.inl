// One window of one band: differences of consecutive frames, unwrapped from the window's start.

// Values of the first `count` lanes, zeros in the others.
template <typename T>
inline Vector<T> first_lanes(Vector<T> v, int64_t count) {
  return count >= Lanes<T>::count ? v : (lane_index<T>() < T(count) ? v : Vector<T>{});
}

template <typename T>
inline Vector<T> clamp(Vector<T> value, T limit) {  // NaN stays
  value = value < -limit ? Vector<T>{} - limit : value;
  return value > limit ? Vector<T>{} + limit : value;
}

// Plain differences of elements first ... last - 1; returns their sum.
template <typename T>
inline T subtract(const T* after, const T* before, int64_t first, int64_t last, T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  Vector<T> sums{};
  int64_t j = first;
  for (; j + lanes <= last; j += lanes) {
    const Vector<T> difference = load(after + j) - load(before + j);
    store(out + j, difference);
    sums += difference;
  }
  T sum = sum_of_lanes<T>(sums);
  for (; j < last; ++j) {
    out[j] = after[j] - before[j];
    sum += out[j];
  }
  return sum;
}

template <typename T>
inline void centre_and_clamp(T* plane, int64_t n, T mean) {
  constexpr int64_t lanes = Lanes<T>::count;
  const T limit = T(5 * kPiD);
  int64_t j = 0;
  for (; j + lanes <= n; j += lanes) {
    store(plane + j, clamp<T>(load(plane + j) - mean, limit));
  }
  for (; j < n; ++j) {
    const T value = plane[j] - mean;
    plane[j] = value < -limit ? -limit : (value > limit ? limit : value);
  }
}

// Differences of rows top ... bottom - 1, where turns since the window's first frame count:
// `wrapped` holds 2 pi blur(amplitude * turns) / blur(amplitude) of the frame before and gets that
// of this one. Returns their sum.
template <typename T>
inline T subtract_unwrapped(
    const WindowFrame<T>& frame,
    const WindowFrame<T>& before,
    const BlurBuffers<T>& buffers,
    int64_t first,
    int64_t last,
    int64_t top,
    int64_t bottom,
    int64_t h,
    T* turns,
    T* wrapped,
    T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  const int64_t w = buffers.w;
  for (int64_t j = first * w; j < last * w; j += lanes) {
    store(turns + j, load(turns + j) + load_bytes<T>(frame.jumps + j));
  }
  blur_along_x(buffers, first, last, [&](int64_t y, T* line) {
    const int64_t row = y * w;
    for (int64_t x = 0; x < w; x += lanes) {
      store(line + x, load(frame.amplitude + row + x) * load(turns + row + x));
    }
  });
  const T two_pi = T(2 * kPiD);
  Vector<T> sums{};
  blur_along_y(buffers, first, last, top, bottom, [&](int64_t y, int64_t x, Vector<T> blurred) {
    const int64_t j = y * w + x;
    const Vector<T> now = blurred * (load(frame.inverse + j) * two_pi);
    const Vector<T> difference =
        (load(frame.denoised + j) - load(before.denoised + j)) + (now - load(wrapped + j));
    if (x + lanes <= w) {
      store(wrapped + j, now);
      store(out + j, difference);
      sums += difference;
    } else {
      store_first(wrapped + j, now, w - x);
      store_within(out + j, difference, w - x, (h - y) * w - x);
      sums += first_lanes<T>(difference, w - x);
    }
  });
  return sum_of_lanes<T>(sums);
}

template <typename T>
void window(const WindowFrame<T>* frames, int64_t count, int64_t h, int64_t w, T* out, T* scratch) {
  const int64_t n = h * w, plane = whole_lines(n) + 16;
  T* turns = scratch;
  T* wrapped = turns + plane;
  const BlurBuffers<T> buffers = blur_buffers(wrapped + plane, w);
  int64_t first = h, last = 0;  // rows that have seen a jump since the window's first frame
  memset(turns, 0, sizeof(T) * n);
  memset(wrapped, 0, sizeof(T) * n);
  for (int64_t i = 1; i <= count; ++i, out += n) {
    const WindowFrame<T>& before = frames[i - 1];
    const WindowFrame<T>& frame = frames[i];
    if (frame.jumps == nullptr) {  // a repeated frame
      memset(out, 0, sizeof(T) * n);
      continue;
    }
    first = frame.first_row < first ? frame.first_row : first;
    last = frame.last_row > last ? frame.last_row : last;
    T sum = 0;
    if (first >= last) {
      sum = subtract(frame.denoised, before.denoised, int64_t(0), n, out);
    } else {
      const int64_t top = first > kBlurReach ? first - kBlurReach : 0;
      const int64_t bottom = last + kBlurReach < h ? last + kBlurReach : h;
      sum = subtract(frame.denoised, before.denoised, int64_t(0), top * w, out);
      sum += subtract_unwrapped(
          frame, before, buffers, first, last, top, bottom, h, turns, wrapped, out);
      sum += subtract(frame.denoised, before.denoised, bottom * w, n, out);
    }
    centre_and_clamp(out, n, sum / T(n));
  }
}
