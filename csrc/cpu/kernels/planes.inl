// Transforms of planes between space and the tiles of a half spectrum, see transforms.h. Lanes run
// along x while y is transformed and along ky while x is; in between, squares are transposed.

// What the transforms of an h x w plane work in.
template <typename T>
struct Sizes {
  static constexpr int64_t lanes = Lanes<T>::count;
  int64_t h, w;
  int64_t rows;     // 0 <= ky < h / 2
  int64_t tiles;    // of ky
  int64_t padded;   // w in pairs of vectors
  int64_t columns;  // vectors in that
  int64_t pairs;    // that a transform of a line works in

  static Sizes of(int64_t h, int64_t w) {
    const int64_t rows = h / 2 + h % 2, padded = whole(w, 2 * lanes);
    return {h, w, rows, whole(rows, lanes) / lanes, padded, padded / lanes, 0};
  }
  static Sizes of(const PlanePlan<T>& plan) {
    Sizes size = of(plan.y.n, plan.x.n);
    const int64_t y = 2 * plan.y.n + plan.y.beside, x = 2 * plan.x.n + plan.x.beside;
    size.pairs = y > x ? y : x;
    return size;
  }
  int64_t longest() const {
    return (h > padded ? h : padded) + 1;
  }
  int64_t tile_size() const {  // elements of a tile of the spectrum
    return w * 2 * lanes;
  }
  // The scratch: what the transform of a line works in, two lines and a plane.
  T* line(T* scratch) const {
    return scratch + 2 * lanes * pairs;
  }
  T* other_line(T* scratch) const {
    return line(scratch) + 2 * lanes * longest();
  }
  T* plane(T* scratch) const {
    return other_line(scratch) + 2 * lanes * longest();
  }
  int64_t scratch() const {
    return 2 * lanes * (pairs + 2 * longest()) + padded * 2 * (h + 2 * lanes);
  }
};

template <typename T>
int64_t planes_scratch(const PlanePlan<T>& plan) {
  return Sizes<T>::of(plan).scratch();
}

// Where the row of ky = h / 2 begins.
template <typename T>
inline int64_t last_row(int64_t h, int64_t w) {
  const Sizes<T> size = Sizes<T>::of(h, w);
  return size.tiles * size.tile_size();
}

template <typename T>
int64_t spectrum_size(int64_t h, int64_t w) {
  return last_row<T>(h, w) + whole(2 * w, 16);
}

// A vector from `count` numbers or more, `step` apart; zeros behind them.
template <typename T>
inline Vector<T> gather(const T* p, int64_t step, int64_t count) {
  constexpr int64_t lanes = Lanes<T>::count;
  if (count >= lanes && step == 1) {
    return load(p);
  }
  if (count >= lanes &&
      step == 2) {  // p is at a real part: what is read ends with its imaginary one
    Vector<T> a = load(p), b = load(p + lanes);
    separate<T>(a, b);
    return a;
  }
  T values[lanes] = {};
  for (int64_t i = 0; i < (count < lanes ? count : lanes); ++i) {
    values[i] = p[i * step];
  }
  return load(values);
}

template <typename T>
inline void scatter(Vector<T> v, T* p, int64_t step, int64_t count) {
  constexpr int64_t lanes = Lanes<T>::count;
  if (count >= lanes && step == 1) {
    return store(p, v);
  }
  T values[lanes];
  store(values, v);
  for (int64_t i = 0; i < (count < lanes ? count : lanes); ++i) {
    p[i * step] = values[i];
  }
}

// Two vectors of columns of a real plane, as real and imaginary parts, along y.
template <typename T>
inline void transform_columns(
    const T* plane, int64_t step, const LinePlan<T>& plan, int64_t w, int64_t x, T* out, T* work) {
  constexpr int64_t lanes = Lanes<T>::count;
  if (step == 1 && x + 2 * lanes <= w) {
    T* source = const_cast<T*>(plane) + x;  // only read
    return transform(plan, Plain<T>{source, source + lanes, w}, tile(out), work);
  }
  const int64_t left = w - x;
  for (int64_t y = 0; y < plan.n; ++y) {
    const T* row = plane + (y * w + x) * step;
    const bool both = left > lanes;
    store(out + y * 2 * lanes, gather(row, step, left));
    store(
        out + y * 2 * lanes + lanes,
        both ? gather(row + lanes * step, step, left - lanes) : Vector<T>{});
  }
  transform(plan, tile(out), tile(out), work);
}

// The sum or difference of a part at ky and one at -ky, halved, to [x][ky]; zeros from `count` ky
// on.
template <typename T>
inline void combine_square(
    const T* here,
    const T* opposite,
    int64_t count,
    T sign,
    T opposite_sign,
    const Vector<T>* shared,
    T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  Vector<T> square[lanes];
#pragma GCC unroll 16
  for (int64_t i = 0; i < lanes; ++i) {
    square[i] = Vector<T>{};
    if (i < count) {
      const Vector<T> other = load(opposite - i * 2 * lanes);
      square[i] = sign * load(here + i * 2 * lanes) + opposite_sign * other;
    }
  }
  if (shared != nullptr) {
    square[0] = *shared;
  }
  transpose<T>(square);
#pragma GCC unroll 16
  for (int64_t i = 0; i < lanes; ++i) {
    store(out + i * 2 * lanes, square[i]);
  }
}

// The spectra of both columns of each lane, at ky = first ... first + lanes - 1, as [column][ky].
// `line` has a row h, a copy of row 0.
template <typename T>
inline void split_columns(const T* line, int64_t h, int64_t first, T* left, T* right) {
  constexpr int64_t lanes = Lanes<T>::count;
  const int64_t count = h / 2 + h % 2 - first;
  const T half = T(0.5);
  const T* here = line + first * 2 * lanes;
  const T* opposite = line + (h - first) * 2 * lanes;
  // ky = 0 and ky = h / 2 are real and share a lane.
  const T* last = line + h / 2 * 2 * lanes;
  const Vector<T> shared_left = h % 2 == 0 ? load(last) : Vector<T>{};
  const Vector<T> shared_right = h % 2 == 0 ? load(last + lanes) : Vector<T>{};
  combine_square<T>(here, opposite, count, half, half, nullptr, left);
  combine_square<T>(
      here + lanes,
      opposite + lanes,
      count,
      half,
      -half,
      first == 0 ? &shared_left : nullptr,
      left + lanes);
  combine_square<T>(here + lanes, opposite + lanes, count, half, half, nullptr, right);
  combine_square<T>(
      here, opposite, count, -half, half, first == 0 ? &shared_right : nullptr, right + lanes);
}

// Lane 0 of the first tile after the transform along x: z = F0 + i F(h / 2), both of real rows.
template <typename T>
inline void unpack_first_lane(T* first_tile, int64_t w, T* last) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t k = 0; k <= w / 2; ++k) {
    const int64_t other = k == 0 ? 0 : w - k;
    T* here = first_tile + k * 2 * lanes;
    T* opposite = first_tile + other * 2 * lanes;
    const T a = here[0], b = here[lanes], c = opposite[0], d = opposite[lanes];
    // Where k is its own opposite, a = c and b = d.
    here[0] = opposite[0] = T(0.5) * (a + c);
    here[lanes] = T(0.5) * (b - d);
    opposite[lanes] = T(0.5) * (d - b);
    last[2 * k] = last[2 * other] = T(0.5) * (b + d);
    last[2 * k + 1] = T(0.5) * (c - a);
    last[2 * other + 1] = T(0.5) * (a - c);
  }
}

// The spectrum of a plane whose first w columns are transformed: columns(x, line) transforms two
// vectors of them from x on, row(tile) reads what came out, [x][re, im][ky], along x.
template <typename T, typename Columns, typename Row>
inline void forward_by(
    const PlanePlan<T>& plan,
    int64_t w,
    const Columns& columns,
    const Row& row,
    T* spectrum,
    T* scratch) {
  constexpr int64_t lanes = Lanes<T>::count;
  const Sizes<T> size = Sizes<T>::of(plan);
  T* line = size.line(scratch);
  T* between = size.plane(scratch);
  const int64_t stride = whole(w, 2 * lanes) * 2 * lanes;
  for (int64_t x = 0; x < w; x += 2 * lanes) {
    columns(x, line);
    memcpy(line + size.h * 2 * lanes, line, sizeof(T) * 2 * lanes);
    for (int64_t i = 0; i < size.tiles; ++i) {
      T* out = between + i * stride + x * 2 * lanes;
      split_columns(line, size.h, i * lanes, out, out + 2 * lanes * lanes);
    }
  }
  for (int64_t i = 0; i < size.tiles; ++i) {
    T* out = spectrum + i * size.tile_size();
    transform(plan.x, row(between + i * stride), tile(out), scratch);
  }
  unpack_first_lane(spectrum, size.w, spectrum + last_row<T>(size.h, size.w));
}

template <typename T>
void forward_plane(
    const T* plane, int64_t step, const PlanePlan<T>& plan, T* spectrum, T* scratch) {
  const auto columns = [&](int64_t x, T* line) {
    transform_columns(plane, step, plan.y, plan.x.n, x, line, scratch);
  };
  const auto row = [](T* p) { return tile(p); };
  forward_by(plan, plan.x.n, columns, row, spectrum, scratch);
}

// The frame's columns are transformed alone; what they give is mirrored along x as it is read.
template <typename T>
void forward_mirrored(
    const T* frame, int64_t frame_stride, const PlanePlan<T>& plan, T* spectrum, T* scratch) {
  constexpr int64_t lanes = Lanes<T>::count;
  const int64_t h = plan.y.n / 2, w = plan.x.n / 2;
  const auto columns = [&](int64_t x, T* line) {
    const Mirrored<T> in{frame + x, frame + x + lanes, frame_stride, h};
    transform(plan.y, in, tile(line), scratch);
  };
  const auto row = [&](const T* p) { return Mirrored<T>{p, p + lanes, 2 * lanes, w}; };
  forward_by(plan, w, columns, row, spectrum, scratch);
}

// The first tile with ky = 0 and ky = h / 2 in lane 0, as it was before `unpack_first_lane`.
template <typename T>
inline void pack_first_lane(const T* first_tile, const T* last, int64_t w, T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  memcpy(out, first_tile, sizeof(T) * w * 2 * lanes);
  for (int64_t k = 0; k < w; ++k) {
    out[k * 2 * lanes] -= last[2 * k + 1];
    out[k * 2 * lanes + lanes] += last[2 * k];
  }
}

// Squares of [x][ky] to rows [x] in the columns' tiles, which are `stride` elements apart. The
// first `count` ky go to rows first, first + direction, ...; parts are multiplied by a sign.
template <typename T>
inline void transpose_line(
    const T* line,
    int64_t columns,
    int64_t count,
    const T* signs,
    T* out,
    int64_t stride,
    int64_t first,
    int64_t direction) {
  constexpr int64_t lanes = Lanes<T>::count;
  const int64_t step = direction * 2 * lanes;
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t part = 0; part < 2; ++part) {
      Vector<T> square[lanes];
      const T* in = line + column * 2 * lanes * lanes + part * lanes;
#pragma GCC unroll 16
      for (int64_t i = 0; i < lanes; ++i) {
        square[i] = load(in + i * 2 * lanes);
      }
      transpose<T>(square);
      T* to = out + column * stride + first * 2 * lanes + part * lanes;
#pragma GCC unroll 16
      for (int64_t i = 0; i < lanes; ++i) {
        if (i < count) {
          store(to + i * step, signs[part] * square[i]);
        }
      }
    }
  }
}

// Two vectors of columns to a real plane, or, with `step` 2, to one of complex numbers.
template <typename T>
inline void write_columns(const T* line, int64_t h, int64_t w, int64_t x, int64_t step, T* plane) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t y = 0; y < h; ++y) {
    for (int64_t part = 0; part < 2 && x + part * lanes < w; ++part) {
      const int64_t first = x + part * lanes;
      T* to = plane + (y * w + first) * step;
      scatter(load(line + (2 * y + part) * lanes), to, step, w - first);
      if (step == 2) {
        scatter(Vector<T>{}, to + 1, step, w - first);
      }
    }
  }
}

template <typename T>
void inverse_plane(
    const T* spectrum, const PlanePlan<T>& plan, int64_t step, T* plane, T* scratch) {
  constexpr int64_t lanes = Lanes<T>::count;
  const Sizes<T> size = Sizes<T>::of(plan);
  T* line = size.line(scratch);
  T* packed = size.other_line(scratch);
  T* between = size.plane(scratch);  // [column][ky][re, im][x]
  const int64_t stride = (size.rows + 1) * 2 * lanes;
  const T signs[2] = {T(1), T(1)};
  for (int64_t i = size.w; i < size.padded; ++i) {
    memset(line + i * 2 * lanes, 0, sizeof(T) * 2 * lanes);
  }
  pack_first_lane(spectrum, spectrum + last_row<T>(size.h, size.w), size.w, packed);
  for (int64_t i = 0; i < size.tiles; ++i) {
    T* source = i == 0 ? packed : const_cast<T*>(spectrum) + i * size.tile_size();  // only read
    transform(plan.x, swapped(tile(source)), swapped(tile(line)), scratch);
    const int64_t first = i * lanes, left = size.rows - first;
    const int64_t count = left < lanes ? left : lanes;
    transpose_line(line, size.columns, count, signs, between, stride, first, 1);
  }
  for (int64_t column = 0; column < size.columns; column += 2) {
    const T* a = between + column * stride;
    const T* b = a + stride;
    store(line, load(a));
    store(line + lanes, load(b));
    if (size.h % 2 == 0) {
      store(line + size.h * lanes, load(a + lanes));
      store(line + size.h * lanes + lanes, load(b + lanes));
    }
    for (int64_t k = 1; k < size.rows; ++k) {
      const Vector<T> a_re = load(a + k * 2 * lanes), a_im = load(a + k * 2 * lanes + lanes);
      const Vector<T> b_re = load(b + k * 2 * lanes), b_im = load(b + k * 2 * lanes + lanes);
      T* here = line + k * 2 * lanes;
      T* opposite = line + (size.h - k) * 2 * lanes;
      store(here, a_re - b_im);
      store(here + lanes, a_im + b_re);
      store(opposite, a_re + b_im);
      store(opposite + lanes, b_re - a_im);
    }
    const int64_t x = column * lanes;
    if (step == 1 && x + 2 * lanes <= size.w) {
      const Plain<T> out{plane + x, plane + x + lanes, size.w};
      transform(plan.y, swapped(tile(line)), swapped(out), scratch);
      continue;
    }
    transform(plan.y, swapped(tile(line)), swapped(tile(line)), scratch);
    write_columns(line, size.h, size.w, x, step, plane);
  }
}
