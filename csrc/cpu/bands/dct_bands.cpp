#include "dct_bands.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "../kernels/kernels.h"
#include "../lru_cache.h"

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

// The cosines of a spectrum along one axis of the frame.
DctShape spectrum_shape(int64_t side, int64_t frequencies, double scale) {
  const double step = kPi / static_cast<double>(side);
  return {side, frequencies, step, step / 2, false, scale};
}

}  // namespace

template <typename T>
typename DctBands<T>::Band DctBands<T>::make_band(
    const SpectralTables& tables, const Level& level, int64_t number, int64_t band) {
  const LevelTable& table = tables.levels[number - 1];
  const Size whole = table.size;
  const int64_t columns = half_columns(whole.w);
  const double* entries = table.weights.data() + band * whole.h * columns;
  const double scale = 2 / static_cast<double>(whole.area());
  // The one-sided filter at signed frequencies; see LevelTable.
  const auto filter = [&](int64_t u, int64_t v) {
    const bool opposite = v < 0;
    const int64_t row = ((opposite ? -u : u) + whole.h) % whole.h;
    const double entry = static_cast<T>(entries[row * columns + std::abs(v)]);
    return scale * std::max(opposite ? -entry : entry, 0.0);
  };
  // For v = 0 the table holds both (u, 0) and (-u, 0).
  std::vector<T> weights[4];  // of cos cos, -sin sin, i sin cos, i cos sin (u first)
  const int64_t stride = padded(level.rows);
  for (std::vector<T>& w : weights) {
    w.assign(level.columns * stride, T(0));
  }
  for (int64_t u = 0; u < level.rows; ++u) {
    for (int64_t v = 0; v < level.columns; ++v) {
      const double pp = filter(u, v);
      const double mp = u > 0 ? filter(-u, v) : 0;
      const double pm = v > 0 ? filter(u, -v) : 0;
      const double mm = u > 0 && v > 0 ? filter(-u, -v) : 0;
      const int64_t at = v * stride + u;
      // Sines of zero frequency are zero: whatever weights they had would only keep products alive
      // that are not needed.
      weights[0][at] = static_cast<T>(pp + mp + pm + mm);
      weights[1][at] = static_cast<T>(u > 0 && v > 0 ? pp - mp - pm + mm : 0);
      weights[2][at] = static_cast<T>(u > 0 ? pp - mp + pm - mm : 0);
      weights[3][at] = static_cast<T>(v > 0 ? pp + mp - pm - mm : 0);
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
DctShape DctBands<T>::level_shape(
    Size frame, Size whole, int64_t level, bool along_x, Basis basis) {
  const int64_t side = along_x ? frame.w : frame.h, kept = along_x ? whole.w : whole.h;
  return {
      kept / 2,
      reach(side, level),
      2 * kPi / static_cast<double>(kept),
      kPi / static_cast<double>(2 * side),
      basis == kSine || basis == kMinusSine,
      basis == kMinusCosine || basis == kMinusSine ? -1.0 : 1.0};
}

template <typename T>
typename DctBands<T>::Level DctBands<T>::make_level(const SpectralTables& tables, int64_t number) {
  const Size whole = tables.levels[number - 1].size;
  const Size frame{tables.image.h / 2, tables.image.w / 2};
  Level level;
  level.size = {whole.h / 2, whole.w / 2};
  level.rows = reach(frame.h, number);
  level.columns = reach(frame.w, number);
  for (const Basis basis : {kCosine, kSine}) {
    level.along_x.emplace_back(level_shape(frame, whole, number, true, basis));
  }
  for (const Basis basis : {kCosine, kSine, kMinusCosine, kMinusSine}) {
    level.along_y.emplace_back(level_shape(frame, whole, number, false, basis));
  }
  for (int64_t band = 0; band < tables.nbands; ++band) {
    level.bands.push_back(make_band(tables, level, number, band));
  }
  return level;
}

template <typename T>
DctBands<T>::DctBands(const SpectralTables& tables, const std::vector<int64_t>& levels)
    : frame_{tables.image.h / 2, tables.image.w / 2} {
  const auto scratch_for = [&](const DctMatrix<T>& matrix, int64_t columns) {
    matrix_scratch_ = std::max(matrix_scratch_, matrix.scratch_rows() * padded(columns));
  };
  for (const int64_t number : levels) {
    levels_.push_back(make_level(tables, number));
    const Level& level = levels_.back();
    rows_ = std::max(rows_, level.rows);
    columns_ = std::max(columns_, level.columns);
    scratch_for(level.along_x[0], level.rows);
    scratch_for(level.along_y[0], level.size.w);
  }
  analysis_.emplace_back(spectrum_shape(frame_.h, rows_, 1));
  analysis_.emplace_back(spectrum_shape(frame_.w, columns_, 4));
  scratch_for(analysis_[0], frame_.w);
  scratch_for(analysis_[1], rows_);
}

template <typename T>
std::shared_ptr<const DctBands<T>> DctBands<T>::plan(
    Size frame, int64_t height, int64_t nbands, const std::vector<int64_t>& levels) {
  static LruCache<std::vector<int64_t>, DctBands<T>> cache;
  std::vector<int64_t> key{frame.h, frame.w, height, nbands};
  key.insert(key.end(), levels.begin(), levels.end());
  return cache.get(key, [&] {
    const auto tables = spectral_tables({2 * frame.h, 2 * frame.w}, height, nbands);
    return std::make_shared<const DctBands<T>>(*tables, levels);
  });
}

template <typename T>
double DctBands<T>::cost(
    Size frame, int64_t height, int64_t nbands, const std::vector<int64_t>& levels) {
  const std::vector<Size> sizes = level_sizes({2 * frame.h, 2 * frame.w}, height);
  double total = 0;
  int64_t rows = 0, columns = 0;
  const auto cost = [](const DctShape& shape, int64_t across) {
    return DctMatrix<T>::cost(shape) * static_cast<double>(padded(across));
  };
  for (const int64_t number : levels) {
    const Size whole = sizes[number - 1];
    const int64_t u = reach(frame.h, number), v = reach(frame.w, number);
    // Of a band along an axis half of the terms vanish, along y half of the products again.
    const bool has_y = nbands % 2 == 0;
    const double axes = has_y ? 2 : 1, others = static_cast<double>(nbands) - axes;
    const double products = (has_y ? 3 : 2) + 4 * others, terms = 2 * axes + 4 * others;
    const DctShape x = level_shape(frame, whole, number, true, kCosine);
    const DctShape y = level_shape(frame, whole, number, false, kCosine);
    total += products * cost(x, u) + terms * cost(y, whole.w / 2);
    rows = std::max(rows, u);
    columns = std::max(columns, v);
  }
  total += cost(spectrum_shape(frame.h, rows, 1), frame.w);
  return 2 * (total + cost(spectrum_shape(frame.w, columns, 1), rows));
}

template <typename T>
void DctBands<T>::spectrum(T* scratch) const {
  const int64_t stride = padded(rows_), columns = frame_stride();
  const Matrix<const T> frame{this->frame(scratch), columns};
  T* along_y = scratch + spectrum_size() + 2 * part_size();
  T* transposed = along_y + part_size();
  T* work = scratch + spectrum_size() + 8 * part_size();
  analysis_[0].analyse(frame, columns, {along_y, columns}, work);
  kernels<T>().transpose_rows({along_y, columns}, stride, columns, {transposed, stride});
  analysis_[1].analyse({transposed, stride}, stride, {scratch, stride}, work);
}

template <typename T>
Parts<const T> DctBands<T>::band(size_t level_index, int64_t band, T* scratch) const {
  const Level& level = levels_[level_index];
  const Band& recipe = level.bands[band];
  const int64_t rows = padded(level.rows), stride = padded(level.size.w);
  T* re = scratch + spectrum_size();
  T* im = re + part_size();
  T* weighted = im + part_size();
  T* along_x = weighted + part_size();
  T* products = along_x + part_size();
  T* work = products + 4 * part_size();
  for (size_t i = 0; i < recipe.products.size(); ++i) {
    const Product& product = recipe.products[i];
    const Matrix<const T> spectrum{scratch, padded(rows_)};
    T* out = products + static_cast<int64_t>(i) * part_size();
    kernels<T>().multiply_rows(spectrum, product.weights.data(), level.columns, rows, weighted);
    level.along_x[product.sine].synthesize({weighted, rows}, rows, false, {along_x, rows}, work);
    kernels<T>().transpose_rows({along_x, rows}, stride, rows, {out, stride});
  }
  const auto combine = [&](const std::vector<Term>& terms, T* out) {
    bool accumulate = false;
    for (const Term& term : terms) {
      const T* product = products + static_cast<int64_t>(term.product) * part_size();
      level.along_y[term.basis].synthesize(
          {product, stride}, stride, accumulate, {out, stride}, work);
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
size_t DctBands<T>::bytes() const {
  int64_t entries = 0;
  const auto add = [&](const std::vector<DctMatrix<T>>& all) {
    for (const DctMatrix<T>& matrix : all) {
      entries += matrix.elements();
    }
  };
  add(analysis_);
  for (const Level& level : levels_) {
    add(level.along_x);
    add(level.along_y);
    for (const Band& band : level.bands) {
      entries += static_cast<int64_t>(band.products.size()) * level.columns * padded(level.rows);
    }
  }
  return static_cast<size_t>(entries) * sizeof(T);
}

template class DctBands<float>;
template class DctBands<double>;

}  // namespace phasenet
