#include "tables.h"

#include <torch/csrc/stable/ops.h>

#include <tuple>

#include "../lru_cache.h"

namespace phasenet {
namespace {

// Calls fill(row, column, f_y, f_x, log2 radius) over the half spectrum of a level, Nyquist of the
// *image* at 1 on each axis.
template <typename Fill>
void for_half_spectrum(Size level, Size image, const Fill& fill) {
  const int64_t columns = half_columns(level.w);
  torch::stable::parallel_for(0, level.h, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const double f_y = static_cast<double>(frequency(row, level.h)) / (0.5 * image.h);
      for (int64_t column = 0; column < columns; ++column) {
        const double f_x = static_cast<double>(column) / (0.5 * image.w);
        fill(row, column, f_y, f_x, std::log2(std::sqrt(f_x * f_x + f_y * f_y)));
      }
    }
  });
}

LevelTable level_table(Size size, Size image, int64_t scale_number, int64_t nbands, Octave octave) {
  const int64_t columns = half_columns(size.w);
  LevelTable table{size, std::vector<double>(nbands * size.h * columns)};
  const double scale = angular_scale(nbands);
  std::vector<double> cosines(nbands), sines(nbands);
  for (int64_t band = 0; band < nbands; ++band) {
    const double direction = kPi * static_cast<double>(band) / static_cast<double>(nbands);
    // Exactly zero across the axes, so that what is symmetric about them is exactly so.
    cosines[band] = 2 * band == nbands ? 0 : std::cos(direction);
    sines[band] = std::sin(direction);
  }
  for_half_spectrum(
      size, image, [&](int64_t row, int64_t column, double f_y, double f_x, double log2_radius) {
        const double radius = std::sqrt(f_x * f_x + f_y * f_y);
        const double radial = octave.band(log2_radius, scale_number);
        for (int64_t band = 0; band < nbands; ++band) {
          double weight = 0;
          if (radius > 0) {  // DC has no direction and belongs to the lowpass
            const double cosine = (f_x * cosines[band] + f_y * sines[band]) / radius;
            const double power = std::pow(std::abs(cosine), static_cast<double>(nbands - 1));
            weight = std::copysign(scale * power * radial, cosine);
          }
          table.weights[(band * size.h + row) * columns + column] = weight;
        }
      });
  return table;
}

std::shared_ptr<const SpectralTables> build_tables(
    Size image, int64_t height, int64_t nbands, Octave octave) {
  auto tables = std::make_shared<SpectralTables>();
  tables->image = image;
  tables->nbands = nbands;
  tables->highpass.resize(image.h * half_columns(image.w));
  for_half_spectrum(
      image, image, [&](int64_t row, int64_t column, double, double, double log2_radius) {
        tables->highpass[row * half_columns(image.w) + column] = octave.hi(log2_radius, 0);
      });
  const std::vector<Size> sizes = level_sizes(image, height, octave.count);
  const int64_t scales = octave.count * (height - 2);
  for (int64_t scale = 1; scale <= scales; ++scale) {
    tables->levels.push_back(level_table(sizes[scale - 1], image, scale, nbands, octave));
  }
  const Size low = sizes.back();
  tables->lowpass = {low, std::vector<double>(low.h * half_columns(low.w))};
  for_half_spectrum(
      low, image, [&](int64_t row, int64_t column, double, double, double log2_radius) {
        tables->lowpass.weights[row * half_columns(low.w) + column] =
            octave.lo(log2_radius, scales);
      });
  return tables;
}

}  // namespace

std::shared_ptr<const SpectralTables> spectral_tables(
    Size image, int64_t height, int64_t nbands, Octave octave) {
  using Key = std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, double>;
  static LruCache<Key, SpectralTables> cache;
  return cache.get({image.h, image.w, height, nbands, octave.count, octave.width}, [&] {
    return build_tables(image, height, nbands, octave);
  });
}

}  // namespace phasenet
