// Filters between an image's half spectrum and those of its residuals and bands, and the analytic
// bands, complex planes, themselves.

// Index in an image's tile of the frequency that has index i in a level's.
inline int64_t image_column(int64_t i, int64_t w, int64_t image_w) {
  return i < w / 2 + w % 2 ? i : i - w + image_w;
}

// i^quarters times a scale, for a + i b as (b or a) * first, (a or b) * second.
template <typename T>
struct PowerOfI {
  T first, second;
  bool exchange;

  static PowerOfI of(int quarters, T scale) {
    const int quarter = quarters & 3;
    return {
        quarter == 0 || quarter == 3 ? scale : -scale,
        quarter < 2 ? scale : -scale,
        quarter % 2 == 1};
  }
};

// out (+)= in * weight, times the power of i.
template <bool kAdd, typename T>
inline void put_weighted(const T* in, Vector<T> weight, PowerOfI<T> power, T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  const int64_t re = power.exchange ? lanes : 0, im = lanes - re;
  const Vector<T> a = load(in + re) * weight * power.first;
  const Vector<T> b = load(in + im) * weight * power.second;
  store(out, kAdd ? load(out) + a : a);
  store(out + lanes, kAdd ? load(out + lanes) + b : b);
}

// A part of an image's spectrum, times a filter; or with kAdd that part added to an image's.
template <bool kAdd, typename T>
void filter_spectrum(
    Spectrum<const T> in, const PlaneFilter<T>& filter, FilterUse<T> use, Spectrum<T> out) {
  constexpr int64_t lanes = Lanes<T>::count;
  const int64_t h = kAdd ? in.h : out.h, w = kAdd ? in.w : out.w, image_w = kAdd ? out.w : in.w;
  const PowerOfI<T> power = PowerOfI<T>::of(use.quarters, use.scale);
  for (int64_t t = 0; t < Sizes<T>::of(h, w).tiles; ++t) {
    for (int64_t i = 0; i < w; ++i) {
      const int64_t part = t * w + i, image = t * image_w + image_column(i, w, image_w);
      const Vector<T> weight = load(filter.weights + part * lanes);
      const T* from = in.data + (kAdd ? part : image) * 2 * lanes;
      T* to = out.data + (kAdd ? image : part) * 2 * lanes;
      const Vector<T> used = use.absolute ? (weight < T(0) ? -weight : weight) : weight;
      put_weighted<kAdd>(from, used, power, to);
    }
  }
  const T* from = in.data + last_row<T>(in.h, in.w);
  T* to = out.data + last_row<T>(out.h, out.w);
  if (filter.last_row == nullptr) {
    memset(to, 0, kAdd ? 0 : sizeof(T) * 2 * w);
    return;
  }
  for (int64_t i = 0; i < 2 * w; ++i) {
    const T value = from[i] * filter.last_row[i / 2] * use.scale;
    to[i] = kAdd ? to[i] + value : value;
  }
}

// The first `kept` columns of an analytic band: filtered, transformed along x and transposed, they
// go to write_columns(first column, their spectra along y), a vector of columns at a time.
template <typename T, typename Write>
inline void analytic_columns(
    const T* image_spectrum,
    const AnalyticBand<T>& band,
    int64_t kept,
    T* scratch,
    const Write& write_columns) {
  constexpr int64_t lanes = Lanes<T>::count;
  const auto& [filter, quarters, plan, image_w] = band;
  const Sizes<T> size = Sizes<T>::of(plan);
  T* line = size.line(scratch);
  // [column][y in FFT order, a row to spare][re, im][x], swapped
  T* between = size.plane(scratch);
  const int64_t stride = (size.h + 1) * 2 * lanes, columns = whole(kept, lanes) / lanes;
  for (int64_t i = size.w; i < columns * lanes; ++i) {
    memset(line + i * 2 * lanes, 0, sizeof(T) * 2 * lanes);
  }
  const auto clear = [&](int64_t first, int64_t last) {
    for (int64_t column = 0; column < columns; ++column) {
      T* rows = between + column * stride + first * 2 * lanes;
      memset(rows, 0, sizeof(T) * 2 * lanes * (last - first));
    }
  };
  if (size.h % 2 == 0) {
    clear(size.h / 2, size.h / 2 + 1);
  }
  const PowerOfI<T> power = PowerOfI<T>::of(quarters, T(1));
  for (int64_t i = 0; i < size.tiles; ++i) {
    const int64_t begin = i * lanes;
    const int64_t end = begin + lanes < size.rows ? begin + lanes : size.rows;
    for (int side = 0; side < 2; ++side) {
      // On side 1, ky goes to row h - ky, and ky = 0 to the row to spare: it was on side 0.
      const int64_t first = side == 0 ? begin : size.h - begin;
      const FrequencyRange range = filter.ranges[side * size.tiles + i];
      if (range.begin >= range.end) {
        clear(side == 0 ? begin : size.h - end + 1, side == 0 ? end : first + 1);
        continue;
      }
      const T sign = side == 0 ? T(1) : T(-1);
      const Masked<T> in{
          image_spectrum + i * image_w * 2 * lanes,
          filter.weights + i * size.w * lanes,
          range,
          sign,
          size.w,
          size.w / 2 + size.w % 2,
          image_w};
      // What is transformed is c + i d, swapped: at -ky stands the conjugate. A quarter turn
      // exchanges c and d.
      transform(plan.x, in, power.exchange ? swapped(tile(line)) : tile(line), scratch);
      const T signs[2] = {
          power.exchange ? power.second : power.second * sign,
          power.exchange ? power.first * sign : power.first};
      const int64_t direction = side == 0 ? 1 : -1;
      transpose_line(line, columns, end - begin, signs, between, stride, first, direction);
    }
  }
  for (int64_t column = 0; column < columns; ++column) {
    write_columns(column * lanes, tile(between + column * stride));
  }
}

template <typename T>
void analytic_plane(const T* image_spectrum, const AnalyticBand<T>& band, T* plane, T* scratch) {
  constexpr int64_t lanes = Lanes<T>::count;
  const PlanePlan<T>& plan = band.plan;
  const Sizes<T> size = Sizes<T>::of(plan);
  T* line = size.line(scratch);
  const auto write = [&](int64_t x, Plain<T> in) {
    const int64_t left = size.w - x;
    if (left >= lanes) {
      return transform(plan.y, in, Rows<T>{plane + 2 * x, 2 * size.w}, scratch);
    }
    transform(plan.y, in, tile(line), scratch);
    for (int64_t y = 0; y < size.h; ++y) {
      T* to = plane + 2 * (y * size.w + x);
      scatter(load(line + y * 2 * lanes + lanes), to, 2, left);
      scatter(load(line + y * 2 * lanes), to + 1, 2, left);
    }
  };
  analytic_columns(image_spectrum, band, size.w, scratch, write);
}

template <typename T>
void analytic_quarter(
    const T* image_spectrum, const AnalyticBand<T>& band, Parts<T> quarter, T* scratch) {
  const PlanePlan<T>& plan = band.plan;
  const Sizes<T> size = Sizes<T>::of(plan);
  const auto write = [&](int64_t x, Plain<T> in) {
    const FirstRows<T> out{quarter.re + x, quarter.im + x, quarter.stride, size.h / 2};
    transform(plan.y, in, out, scratch);
  };
  analytic_columns(image_spectrum, band, size.w / 2, scratch, write);
}

template <typename T>
void add_analytic_plane(
    const T* plane, const AnalyticBand<T>& band, T scale, T* image_spectrum, T* scratch) {
  constexpr int64_t lanes = Lanes<T>::count;
  const auto& [filter, quarters, plan, image_w] = band;
  const Sizes<T> size = Sizes<T>::of(plan);
  T* line = size.line(scratch);
  T* between = size.plane(scratch);  // [side][tile][x][re, im][ky]
  const int64_t stride = size.padded * 2 * lanes;
  for (int64_t x = 0; x < size.w; x += lanes) {
    const int64_t left = size.w - x;
    if (left >= lanes) {
      T* source = const_cast<T*>(plane) + 2 * x;  // only read
      transform(plan.y, Rows<T>{source, 2 * size.w}, tile(line), scratch);
    } else {
      for (int64_t y = 0; y < size.h; ++y) {
        const T* from = plane + 2 * (y * size.w + x);
        store(line + y * 2 * lanes, gather(from, 2, left));
        store(line + y * 2 * lanes + lanes, gather(from + 1, 2, left));
      }
      transform(plan.y, tile(line), tile(line), scratch);
    }
    for (int64_t i = 0; i < 2 * size.tiles; ++i) {
      const int64_t side = i / size.tiles, first = i % size.tiles * lanes;
      for (int64_t part = 0; part < 2; ++part) {
        Vector<T> square[lanes];
        for (int64_t j = 0; j < lanes; ++j) {
          const int64_t k = first + j < size.rows ? first + j : 0;
          square[j] =
              load(line + (side == 0 || k == 0 ? k : size.h - k) * 2 * lanes + part * lanes);
          square[j] = side == 1 && part == 1 ? -square[j] : square[j];
        }
        transpose<T>(square);
        T* out = between + i * stride + x * 2 * lanes + part * lanes;
        for (int64_t j = 0; j < lanes; ++j) {
          store(out + j * 2 * lanes, square[j]);
        }
      }
    }
  }
  for (int64_t i = 0; i < 2 * size.tiles; ++i) {
    const int64_t side = i / size.tiles, t = i % size.tiles;
    // Of ky = 0 both sides count, which the ranges leave out.
    if (t > 0 && filter.ranges[i].begin >= filter.ranges[i].end) {
      continue;
    }
    transform(plan.x, tile(between + i * stride), tile(line), scratch);
    // The spectrum at k, or on side 1 the conjugate of that at -k.
    const T sign = side == 0 ? T(1) : T(-1);
    const PowerOfI<T> power = PowerOfI<T>::of(side == 0 ? quarters : -quarters, scale);
    for (int64_t k = 0; k < size.w; ++k) {
      const Vector<T> signed_weight = sign * load(filter.weights + (t * size.w + k) * lanes);
      const Vector<T> weight = signed_weight > T(0) ? signed_weight : Vector<T>{};
      T* out = image_spectrum + (t * image_w + image_column(k, size.w, image_w)) * 2 * lanes;
      put_weighted<true>(line + k * 2 * lanes, weight, power, out);
    }
  }
}

template <typename T>
constexpr PlaneTransforms<T> plane_transforms() {
  return {
      Lanes<T>::count,
      spectrum_size<T>,
      planes_scratch<T>,
      forward_plane<T>,
      forward_mirrored<T>,
      inverse_plane<T>,
      filter_spectrum<false, T>,
      filter_spectrum<true, T>,
      analytic_plane<T>,
      analytic_quarter<T>,
      add_analytic_plane<T>,
  };
}
