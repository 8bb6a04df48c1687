#include "cosine_bands.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/kernels.h"
#include "recent.h"

// The spectrum of a frame x mirrored to 2H x 2W is F[u, v] = e^(i pi (u / 2H + v / 2W)) C[|u|, |v|]
// with C[u, v] = 4 sum x[y, x] cos(pi u (2y + 1) / 2H) cos(pi v (2x + 1) / 2W), its DCT-II. A band
// of a level of h' x w' samples is then
//   sum over u, v of M[u, v] C[|u|, |v|] e^(i u a_y) e^(i v b_x) / (h' w'),
//   a_y = 2 pi y / h' + pi / 2H,  b_x = 2 pi x / w' + pi / 2W,
// and the four signs of (u, v) together need only cosines and sines of u a_y and v b_x for
// u, v >= 0, with the weights that make_band() collects.

namespace phasenet {
namespace {

// Frequencies 0 ... of one axis on which a level has weight: all below the radius of its band.
int64_t reach(int64_t side, int64_t level) {
  // lo(-(level - 1)) vanishes from radius 2^-(level - 1) of the mirrored Nyquist `side` on.
  const double limit = std::ldexp(static_cast<double>(side), static_cast<int>(1 - level));
  return std::min<int64_t>(side, static_cast<int64_t>(std::ceil(limit)));
}

template <typename T>
std::vector<T> waves(
    int64_t samples,
    int64_t stride,
    int64_t frequencies,
    double step,
    double offset,
    bool sine,
    bool frequency_major,
    double sign = 1) {
  const int64_t count = frequency_major ? frequencies * stride : samples * frequencies;
  std::vector<T> out(count);
  for (int64_t k = 0; k < frequencies; ++k) {
    for (int64_t n = 0; n < samples; ++n) {
      const double angle = static_cast<double>(k) * (step * static_cast<double>(n) + offset);
      const double value = sign * (sine ? std::sin(angle) : std::cos(angle));
      out[frequency_major ? k * stride + n : n * frequencies + k] = static_cast<T>(value);
    }
  }
  return out;
}

}  // namespace

template <typename T>
typename CosineBands<T>::Band CosineBands<T>::make_band(
    const SpectralTables<T>& tables, const Level& level, int64_t number, int64_t band) {
  const LevelTable<T>& table = tables.levels[number - 1];
  const Size whole = table.size;
  const int64_t columns = half_columns(whole.w);
  const T* entries = table.weights.data() + band * whole.h * columns;
  const double scale = 2 / static_cast<double>(whole.area());
  // The one-sided filter at signed frequencies; see LevelTable.
  const auto filter = [&](int64_t u, int64_t v) {
    const bool opposite = v < 0;
    const int64_t row = ((opposite ? -u : u) + whole.h) % whole.h;
    const double entry = static_cast<double>(entries[row * columns + std::abs(v)]);
    return scale * std::max(opposite ? -entry : entry, 0.0);
  };
  // For v = 0 the table holds both (u, 0) and (-u, 0).
  std::vector<T> weights[4];  // of cos cos, -sin sin, i sin cos, i cos sin (u first)
  for (std::vector<T>& w : weights) {
    w.assign(level.rows * level.columns, T(0));
  }
  for (int64_t u = 0; u < level.rows; ++u) {
    for (int64_t v = 0; v < level.columns; ++v) {
      const double pp = filter(u, v);
      const double mp = u > 0 ? filter(-u, v) : 0;
      const double pm = v > 0 ? filter(u, -v) : 0;
      const double mm = u > 0 && v > 0 ? filter(-u, -v) : 0;
      const int64_t at = u * level.columns + v;
      weights[0][at] = static_cast<T>(pp + mp + pm + mm);
      weights[1][at] = static_cast<T>(pp - mp - pm + mm);
      weights[2][at] = static_cast<T>(pp - mp + pm - mm);
      weights[3][at] = static_cast<T>(pp + mp - pm - mm);
    }
  }

  Band result;
  const auto product = [&](const std::vector<T>& w, bool sine) {
    for (size_t i = 0; i < result.products.size(); ++i) {
      if (result.products[i].sine == sine && result.products[i].weights == w) {
        return i;
      }
    }
    result.products.push_back({w, sine});
    return result.products.size() - 1;
  };
  const auto add = [&](std::vector<Term>& terms, int kind, bool sine_x, Basis basis) {
    const auto is_zero = [](T value) { return value == T(0); };
    if (!std::all_of(weights[kind].begin(), weights[kind].end(), is_zero)) {
      terms.push_back({product(weights[kind], sine_x), basis});
    }
  };
  // (-i)^n (real + i imaginary), n = nbands - 1, turns by quarters.
  const int64_t quarter = (tables.nbands - 1) % 4;
  const auto signed_basis = [](Basis basis, bool minus) {
    return minus ? static_cast<Basis>(basis ^ 2) : basis;
  };
  std::vector<Term>& of_real = quarter % 2 == 0 ? result.re : result.im;
  std::vector<Term>& of_imaginary = quarter % 2 == 0 ? result.im : result.re;
  const bool minus_real = quarter == 1 || quarter == 2;
  const bool minus_imaginary = quarter == 2 || quarter == 3;
  add(of_real, 0, false, signed_basis(kCosine, minus_real));
  add(of_real, 1, true, signed_basis(kMinusSine, minus_real));
  add(of_imaginary, 2, false, signed_basis(kSine, minus_imaginary));
  add(of_imaginary, 3, true, signed_basis(kCosine, minus_imaginary));
  return result;
}

template <typename T>
typename CosineBands<T>::Level CosineBands<T>::make_level(
    const SpectralTables<T>& tables, int64_t number) {
  const Size whole = tables.levels[number - 1].size;
  const Size frame{tables.image.h / 2, tables.image.w / 2};
  Level level;
  level.size = {whole.h / 2, whole.w / 2};
  level.rows = reach(frame.h, number);
  level.columns = reach(frame.w, number);
  const double step_y = 2 * kPi / static_cast<double>(whole.h);
  const double step_x = 2 * kPi / static_cast<double>(whole.w);
  const double offset_y = kPi / static_cast<double>(tables.image.h);
  const double offset_x = kPi / static_cast<double>(tables.image.w);
  for (const bool sine : {false, true}) {
    level.along_x[sine] =
        waves<T>(level.size.w, padded(level.size.w), level.columns, step_x, offset_x, sine, true);
    for (const bool minus : {false, true}) {
      level.along_y[(minus ? 2 : 0) + (sine ? 1 : 0)] =
          waves<T>(level.size.h, 0, level.rows, step_y, offset_y, sine, false, minus ? -1 : 1);
    }
  }
  for (int64_t band = 0; band < tables.nbands; ++band) {
    level.bands.push_back(make_band(tables, level, number, band));
  }
  return level;
}

template <typename T>
CosineBands<T>::CosineBands(const SpectralTables<T>& tables, const std::vector<int64_t>& levels)
    : frame_{tables.image.h / 2, tables.image.w / 2} {
  for (const int64_t level : levels) {
    levels_.push_back(make_level(tables, level));
    rows_ = std::max(rows_, levels_.back().rows);
    columns_ = std::max(columns_, levels_.back().columns);
  }
  const double step_y = kPi / static_cast<double>(frame_.h);
  const double step_x = kPi / static_cast<double>(frame_.w);
  // The factor 4 of the spectrum lies in cosines_x_.
  const std::vector<T> x = waves<T>(frame_.w, 0, columns_, step_x, step_x / 2, false, false, 4);
  cosines_x_.assign(frame_.w * padded(columns_), T(0));
  for (int64_t n = 0; n < frame_.w; ++n) {
    std::copy_n(x.begin() + n * columns_, columns_, cosines_x_.begin() + n * padded(columns_));
  }
  cosines_y_ = waves<T>(frame_.h, frame_.h, rows_, step_y, step_y / 2, false, true);
}

template <typename T>
std::shared_ptr<const CosineBands<T>> CosineBands<T>::plan(
    const SpectralTables<T>& tables, int64_t height, const std::vector<int64_t>& levels) {
  static Recent<std::vector<int64_t>, CosineBands<T>> recent;
  std::vector<int64_t> key{tables.image.h, tables.image.w, height, tables.nbands};
  key.insert(key.end(), levels.begin(), levels.end());
  return recent.get(key, [&] { return std::make_shared<const CosineBands<T>>(tables, levels); });
}

template <typename T>
double CosineBands<T>::cost(
    Size frame, int64_t height, int64_t nbands, const std::vector<int64_t>& levels) {
  const std::vector<Size> sizes = level_sizes({2 * frame.h, 2 * frame.w}, height);
  double total = 0;
  double rows = 0, columns = 0;
  for (const int64_t number : levels) {
    const double u = static_cast<double>(reach(frame.h, number));
    const double v = static_cast<double>(reach(frame.w, number));
    const double h = static_cast<double>(sizes[number - 1].h / 2);
    const double w = static_cast<double>(padded(sizes[number - 1].w / 2));
    // Two bands along the axes share or lack half of their products.
    const double products = nbands == 2 ? 1.5 : 4, terms = nbands == 2 ? 2 : 4;
    total += 2 * static_cast<double>(nbands) * (products * u * v * w + terms * h * u * w);
    rows = std::max(rows, u);
    columns = std::max(columns, v);
  }
  const double h = static_cast<double>(frame.h), w = static_cast<double>(frame.w);
  return total + 2 * (h * w * columns + rows * h * columns);
}

template <typename T>
int64_t CosineBands<T>::spectrum_size() const {
  return rows_ * padded(columns_);
}

// One weighted spectrum and up to four products along x.
template <typename T>
int64_t CosineBands<T>::products_size(const Level& level) const {
  return padded(level.rows * level.columns) + 4 * level.rows * padded(level.size.w);
}

template <typename T>
int64_t CosineBands<T>::scratch_size() const {
  int64_t most = frame_.h * padded(columns_);
  for (const Level& level : levels_) {
    most = std::max(most, products_size(level) + 2 * level.size.h * padded(level.size.w));
  }
  return spectrum_size() + most;
}

template <typename T>
void CosineBands<T>::spectrum(const T* frame, T* scratch) const {
  const int64_t columns = padded(columns_);
  T* along_x = scratch + spectrum_size();
  const auto matmul = kernels<T>().matmul;
  matmul(
      frame,
      frame_.w,
      cosines_x_.data(),
      columns,
      frame_.h,
      frame_.w,
      columns,
      false,
      along_x,
      columns);
  matmul(
      cosines_y_.data(),
      frame_.h,
      along_x,
      columns,
      rows_,
      frame_.h,
      columns,
      false,
      scratch,
      columns);
}

template <typename T>
typename CosineBands<T>::Planes CosineBands<T>::band(
    size_t level_index, int64_t band, T* scratch) const {
  const Level& level = levels_[level_index];
  const Band& recipe = level.bands[band];
  const int64_t u = level.rows, v = level.columns, stride = padded(level.size.w);
  const T* spectrum = scratch;
  T* weighted = scratch + spectrum_size();
  T* products = weighted + padded(u * v);
  T* re = weighted + products_size(level);
  T* im = re + level.size.h * stride;
  const auto matmul = kernels<T>().matmul;
  for (size_t i = 0; i < recipe.products.size(); ++i) {
    const Product& product = recipe.products[i];
    for (int64_t row = 0; row < u; ++row) {
      const T* from = spectrum + row * padded(columns_);
      const T* weights = product.weights.data() + row * v;
      for (int64_t column = 0; column < v; ++column) {
        weighted[row * v + column] = from[column] * weights[column];
      }
    }
    matmul(
        weighted,
        v,
        level.along_x[product.sine].data(),
        stride,
        u,
        v,
        stride,
        false,
        products + static_cast<int64_t>(i) * u * stride,
        stride);
  }
  const auto combine = [&](const std::vector<Term>& terms, T* out) {
    bool accumulate = false;
    for (const Term& term : terms) {
      matmul(
          level.along_y[term.basis].data(),
          u,
          products + static_cast<int64_t>(term.product) * u * stride,
          stride,
          level.size.h,
          u,
          stride,
          accumulate,
          out,
          stride);
      accumulate = true;
    }
    if (!accumulate) {  // no weight at all: a level without frequencies
      std::fill_n(out, level.size.h * stride, T(0));
    }
  };
  combine(recipe.re, re);
  combine(recipe.im, im);
  return {re, im, stride};
}

template <typename T>
size_t CosineBands<T>::bytes() const {
  size_t entries = cosines_x_.size() + cosines_y_.size();
  for (const Level& level : levels_) {
    for (const std::vector<T>& basis : level.along_x) {
      entries += basis.size();
    }
    for (const std::vector<T>& basis : level.along_y) {
      entries += basis.size();
    }
    for (const Band& band : level.bands) {
      entries += band.products.size() * level.rows * level.columns;
    }
  }
  return entries * sizeof(T);
}

template class CosineBands<float>;
template class CosineBands<double>;

}  // namespace phasenet
