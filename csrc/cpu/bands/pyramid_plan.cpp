#include "pyramid_plan.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "../lru_cache.h"
#include "tables.h"

namespace phasenet {
namespace {

template <typename T>
Scratch<T> zeros(int64_t elements) {
  Scratch<T> result(elements);
  std::fill_n(result.data(), elements, T(0));
  return result;
}

// Calls put(tile position, row, column, sign) for every frequency 0 <= ky < h / 2 of a plane: where
// a half spectrum over kx >= 0 holds it, at k or, with sign -1, at -k.
template <typename Put>
void for_tiles(Size size, int64_t lanes, const Put& put) {
  for (int64_t ky = 0; ky < cropped_side(size.h); ++ky) {
    for (int64_t i = 0; i < size.w; ++i) {
      const int64_t kx = frequency(i, size.w);
      const int64_t place = ((ky / lanes) * size.w + i) * lanes + ky % lanes;
      const bool here = kx >= 0;
      put(place, here ? ky : (size.h - ky) % size.h, std::abs(kx), here ? 1 : -1);
    }
  }
}

int64_t tiles_of(Size size, int64_t lanes) {
  return (cropped_side(size.h) + lanes - 1) / lanes;
}

// Where a band's weights of one sign lie, tile by tile. ky = 0 counts on the positive side only.
template <typename T>
void add_ranges(
    const T* weights, Size size, int64_t lanes, T sign, std::vector<FrequencyRange>& ranges) {
  for (int64_t tile = 0; tile < tiles_of(size, lanes); ++tile) {
    FrequencyRange range{0, 0};
    for (int64_t i = 0; i < size.w; ++i) {
      const T* lane = weights + (tile * size.w + i) * lanes;
      const int64_t first = tile == 0 && sign < 0 ? 1 : 0;
      if (std::any_of(lane + first, lane + lanes, [&](T weight) { return sign * weight > 0; })) {
        const auto k = static_cast<int32_t>(frequency(i, size.w));
        range = range.begin == range.end
                    ? FrequencyRange{k, k + 1}
                    : FrequencyRange{std::min(range.begin, k), std::max(range.end, k + 1)};
      }
    }
    ranges.push_back(range);
  }
}

}  // namespace

template <typename T>
PlanePlan<T> PyramidPlan<T>::plane(Size size) {
  const auto line = [&](int64_t n) -> const LinePlan<T>& {
    auto& entry = lines_[n];
    if (entry == nullptr) {
      entry = std::make_unique<LineTransform<T>>(n);
      bytes_ += entry->bytes();
    }
    return entry->plan();
  };
  const PlanePlan<T> plan{line(size.h), line(size.w)};
  scratch_size_ = std::max(scratch_size_, kernels<T>().planes.scratch_size(plan));
  return plan;
}

template <typename T>
PyramidPlan<T>::PyramidPlan(Size of, int64_t height, int64_t count, Octave octave)
    : image(of), nbands(count) {
  const int64_t lanes = kernels<T>().planes.lanes;
  const auto tables = spectral_tables(image, height, nbands, octave);
  const auto residual = [&](Size size, const std::vector<double>& filter) {
    const int64_t tiles = tiles_of(size, lanes), elements = tiles * size.w * lanes;
    const double scale = 1 / static_cast<double>(size.area());
    Scratch<T> weights = zeros<T>(elements);
    const auto entry = [&](int64_t row, int64_t column) {
      return static_cast<T>(filter[row * half_columns(size.w) + column] * scale);
    };
    for_tiles(size, lanes, [&](int64_t place, int64_t row, int64_t column, int) {
      weights.data()[place] = entry(row, column);
    });
    // Where the spectrum is cropped, nothing is left at ky = h / 2.
    const bool has_last = size.h == image.h && size.h % 2 == 0;
    std::vector<T> last;
    for (int64_t i = 0; has_last && i < size.w; ++i) {
      last.push_back(entry(size.h / 2, std::abs(frequency(i, size.w))));
    }
    bytes_ += (elements + last.size()) * sizeof(T);
    parts.push_back(
        {size, plane(size), size.area(), elements, std::move(weights), std::move(last), tiles, {}});
  };
  residual(image, tables->highpass);
  for (const LevelTable& table : tables->levels) {
    const Size size = table.size;
    const int64_t tiles = tiles_of(size, lanes), elements = tiles * size.w * lanes;
    const double scale = 2 / static_cast<double>(size.area());
    // Less than this is the rounding of a direction's cosine.
    const double least = 2 * std::numeric_limits<double>::epsilon();
    Scratch<T> weights = zeros<T>(nbands * elements);
    std::vector<FrequencyRange> ranges;
    for (int64_t band = 0; band < nbands; ++band) {
      const double* entries = table.weights.data() + band * size.h * half_columns(size.w);
      T* out = weights.data() + band * elements;
      for_tiles(size, lanes, [&](int64_t place, int64_t row, int64_t column, int sign) {
        const double entry = entries[row * half_columns(size.w) + column];
        out[place] = static_cast<T>(std::abs(entry) < least ? 0 : sign * entry * scale);
      });
      add_ranges(out, size, lanes, T(1), ranges);
      add_ranges(out, size, lanes, T(-1), ranges);
    }
    bytes_ += nbands * elements * sizeof(T);
    const int64_t numbers = 2 * nbands * size.area();
    parts.push_back(
        {size, plane(size), numbers, elements, std::move(weights), {}, tiles, std::move(ranges)});
  }
  residual(tables->lowpass.size, tables->lowpass.weights);
}

template <typename T>
std::shared_ptr<const PyramidPlan<T>> pyramid_plan(
    Size image, int64_t height, int64_t nbands, Octave octave) {
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, double>;
  static LruCache<Key, PyramidPlan<T>> cache;
  return cache.get({image.h, image.w, height, nbands, octave.count, octave.width}, [&] {
    return std::make_shared<const PyramidPlan<T>>(image, height, nbands, octave);
  });
}

template class PyramidPlan<float>;
template class PyramidPlan<double>;
template std::shared_ptr<const PyramidPlan<float>> pyramid_plan(Size, int64_t, int64_t, Octave);
template std::shared_ptr<const PyramidPlan<double>> pyramid_plan(Size, int64_t, int64_t, Octave);

}  // namespace phasenet
