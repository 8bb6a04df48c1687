// From coefficients to an image: the inverse of the pyramid and the adjoint of the pyramid. Both
// add every residual and band to one half spectrum, row by row, and transform that once: by the
// plane kernels where they take every side (plane_pyramid.h), else by ATen's FFTs.
#include <algorithm>

#include "../common/coefficients.h"
#include "../common/fft.h"
#include "plane_pyramid.h"
#include "pyramid.h"
#include "spectra.h"

namespace phasenet {
namespace {

constexpr int64_t kRowsPerTask = 16;

// The row of a level that holds vertical frequency k, or -1 where the crop cut it off.
int64_t level_row(int64_t k, Size level) {
  const bool kept = k >= -(level.h / 2) && k < cropped_side(level.h);
  return kept ? frequency_index(k, level.h) : -1;
}

// Each of these knows how to add its part of image n at vertical frequency k to a row `out` of
// the image's half spectrum.
template <typename T>
struct Residual {
  Residual(const Tensor& images, const std::vector<T>& filter, T factor)
      : spectra(rfft2(as_batch(images, 2))),
        data(spectra.template const_data_ptr<Complex<T>>()),
        weights(filter.data()),
        size(image_size(images)),
        scale(factor) {
  }

  void add(int64_t n, int64_t k, Complex<T>* out) const {
    const int64_t row = level_row(k, size);
    if (row >= 0) {
      add_residual_row(data + n * size.h * half_columns(size.w), weights, size, row, scale, out);
    }
  }

  Tensor spectra;
  const Complex<T>* data;
  const T* weights;
  Size size;
  T scale;
};

template <typename T>
struct RealBands {  // the real parts of [N, nbands, h, w], two-sided filters
  RealBands(const Tensor& bands, const LevelTable<T>& level, int64_t count)
      : spectra(rfft2(real_part(as_batch(bands, 3)))),
        data(spectra.template const_data_ptr<Complex<T>>()),
        table(&level),
        nbands(count),
        factor(conjugate(analysis_phase<T>(count))) {
  }

  void add(int64_t n, int64_t k, Complex<T>* out) const {
    const int64_t row = level_row(k, table->size);
    const int64_t stride = table->size.h * half_columns(table->size.w);
    for (int64_t band = 0; row >= 0 && band < nbands; ++band) {
      const Complex<T>* spectrum = data + (n * nbands + band) * stride;
      add_real_band_row(spectrum, *table, nbands, band, row, factor, out);
    }
  }

  Tensor spectra;
  const Complex<T>* data;
  const LevelTable<T>* table;
  int64_t nbands;
  Complex<T> factor;
};

template <typename T>
struct AnalyticBandGrads {  // complex [N, nbands, h, w], adjoint of the one-sided filters
  AnalyticBandGrads(const Tensor& bands, const LevelTable<T>& level, int64_t count)
      : spectra(fft2(as_batch(bands, 3))),
        data(spectra.template const_data_ptr<Complex<T>>()),
        table(&level),
        nbands(count),
        factor(conjugate(analysis_phase<T>(count)) * (T(1) / T(level.size.area()))) {
  }

  void add(int64_t n, int64_t k, Complex<T>* out) const {
    const int64_t row = level_row(k, table->size);
    for (int64_t band = 0; row >= 0 && band < nbands; ++band) {
      const Complex<T>* spectrum = data + (n * nbands + band) * table->size.area();
      add_analytic_band_row(spectrum, *table, band, row, factor, out);
    }
  }

  Tensor spectra;
  const Complex<T>* data;
  const LevelTable<T>* table;
  int64_t nbands;
  Complex<T> factor;
};

template <typename T, typename Bands>
Tensor synthesize(
    int64_t count,
    Size image,
    Norm norm,
    const std::vector<Residual<T>>& residuals,
    const std::vector<Bands>& levels) {
  const int64_t columns = half_columns(image.w);
  const Tensor sum = empty_cpu({count, image.h, columns}, Dtypes<T>::complex);
  auto* rows = sum.mutable_data_ptr<Complex<T>>();
  torch::stable::parallel_for(0, count * image.h, kRowsPerTask, [&](int64_t begin, int64_t end) {
    std::fill(rows + begin * columns, rows + end * columns, Complex<T>(0));
    for (int64_t i = begin; i < end; ++i) {
      const int64_t n = i / image.h, k = frequency(i % image.h, image.h);
      for (const Residual<T>& residual : residuals) {
        residual.add(n, k, rows + i * columns);
      }
      for (const Bands& bands : levels) {
        bands.add(n, k, rows + i * columns);
      }
    }
  });
  return irfft2(sum, image.w, norm);
}

// The inverse (Bands = RealBands) or the adjoint (Bands = AnalyticBandGrads). The adjoint of an
// inverse transform normalised by its own size is a forward one over that size, and the whole
// then goes back to the image by a transform that is not normalised.
template <typename T, template <typename> typename Bands>
Tensor image_of(const Coefficients& coeffs, int64_t nbands, bool adjoint) {
  const Size image = image_size(coeffs.highpass);
  const int64_t height = static_cast<int64_t>(coeffs.bands.size()) + 2;
  const auto tables = spectral_tables<T>(image, height, nbands);
  const auto scale = [&](Size size) { return adjoint ? T(1) / T(size.area()) : T(1); };
  const std::vector<Residual<T>> residuals{
      {coeffs.highpass, tables->highpass, scale(image)},
      {coeffs.lowpass, tables->lowpass.weights, scale(tables->lowpass.size)}};
  std::vector<Bands<T>> levels;
  for (size_t i = 0; i < coeffs.bands.size(); ++i) {
    levels.emplace_back(coeffs.bands[i], tables->levels[i], nbands);
  }
  const auto batch = leading(coeffs.highpass, 2);
  const Norm norm = adjoint ? Norm::none : Norm::by_size;
  return with_batch(synthesize<T>(product(batch), image, norm, residuals, levels), batch);
}

// The same by the plane kernels, into `out`.
template <typename T>
void by_planes(const Coefficients& coeffs, int64_t nbands, bool adjoint, const Tensor& out) {
  const Size image = image_size(coeffs.highpass);
  const auto plan = pyramid_plan<T>(image, static_cast<int64_t>(coeffs.bands.size()) + 2, nbands);
  // What is dense already is not copied; copies live as long as the list.
  std::vector<Tensor> dense{
      torch::stable::contiguous(coeffs.highpass), torch::stable::contiguous(coeffs.lowpass)};
  PyramidPlanes<const T> planes{
      dense[0].template const_data_ptr<T>(), {}, dense[1].template const_data_ptr<T>()};
  for (const Tensor& bands : coeffs.bands) {
    dense.push_back(torch::stable::contiguous(bands));
    planes.levels.push_back(static_cast<const T*>(dense.back().const_data_ptr()));
  }
  const int64_t count = product(leading(coeffs.highpass, 2));
  synthesize_planes(planes, count, *plan, adjoint, out.template mutable_data_ptr<T>());
}

// Into `out`, if there is one.
template <template <typename> typename Bands>
Tensor image_of_any(
    const char* op, const Coefficients& coeffs, bool adjoint, const Tensor* out = nullptr) {
  const int64_t nbands = check_coefficients(op, coeffs);
  const auto sizes = coeffs.highpass.sizes();
  const TensorSpec spec{{sizes.begin(), sizes.end()}, coeffs.highpass.scalar_type()};
  if (out != nullptr) {
    check_out(op, coeffs.highpass, {*out}, {spec});
  }
  const Size image = image_size(coeffs.highpass);
  const bool planes = has_plane_kernels(image, static_cast<int64_t>(coeffs.bands.size()) + 2);
  return with_compute_dtype("highpass", coeffs.highpass.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    if (planes) {
      const Tensor result = out != nullptr ? *out : empty_cpu(spec.shape, spec.dtype);
      by_planes<T>(coeffs, nbands, adjoint, result);
      return result;
    }
    Tensor result = image_of<T, Bands>(coeffs, nbands, adjoint);
    if (out != nullptr) {
      Tensor target = *out;
      torch::stable::copy_(target, result);
    }
    return result;
  });
}

Tensor pyramid_inverse(const Tensor& highpass, std::vector<Tensor> bands, const Tensor& lowpass) {
  return image_of_any<RealBands>(
      "phasenet::pyramid_inverse", {highpass, std::move(bands), lowpass}, false);
}

void pyramid_inverse_out(
    const Tensor& highpass, std::vector<Tensor> bands, const Tensor& lowpass, const Tensor& out) {
  image_of_any<RealBands>(
      "phasenet::pyramid_inverse", {highpass, std::move(bands), lowpass}, false, &out);
}

Tensor pyramid_backward(const Tensor& highpass, std::vector<Tensor> bands, const Tensor& lowpass) {
  return image_of_any<AnalyticBandGrads>(
      "phasenet::pyramid_backward", {highpass, std::move(bands), lowpass}, true);
}

}  // namespace

template <typename T>
Tensor analytic_bands_adjoint(
    const std::vector<Tensor>& band_grads,
    const std::vector<int64_t>& levels,
    const SpectralTables<T>& tables) {
  const int64_t height = static_cast<int64_t>(tables.levels.size()) + 2;
  if (has_plane_kernels(tables.image, height)) {
    const auto plan = pyramid_plan<T>(tables.image, height, tables.nbands);
    std::vector<Tensor> dense;
    PyramidPlanes<const T> planes{
        nullptr, std::vector<const T*>(tables.levels.size(), nullptr), nullptr};
    for (size_t i = 0; i < levels.size(); ++i) {
      STD_TORCH_CHECK(planes.levels[levels[i] - 1] == nullptr, "levels: expected distinct levels");
      dense.push_back(torch::stable::contiguous(band_grads[i]));
      planes.levels[levels[i] - 1] = static_cast<const T*>(dense.back().const_data_ptr());
    }
    const int64_t count = band_grads[0].size(0);
    const Tensor images = empty_cpu({count, tables.image.h, tables.image.w}, Dtypes<T>::real);
    synthesize_planes(planes, count, *plan, true, images.template mutable_data_ptr<T>());
    return images;
  }
  std::vector<AnalyticBandGrads<T>> spectra;
  for (size_t i = 0; i < levels.size(); ++i) {
    spectra.emplace_back(band_grads[i], tables.levels[levels[i] - 1], tables.nbands);
  }
  return synthesize<T>(band_grads[0].size(0), tables.image, Norm::none, {}, spectra);
}

template Tensor analytic_bands_adjoint(
    const std::vector<Tensor>&, const std::vector<int64_t>&, const SpectralTables<float>&);
template Tensor analytic_bands_adjoint(
    const std::vector<Tensor>&, const std::vector<int64_t>&, const SpectralTables<double>&);

}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("pyramid_inverse", TORCH_BOX(&phasenet::pyramid_inverse));
  m.impl("pyramid_inverse.out", TORCH_BOX(&phasenet::pyramid_inverse_out));
  m.impl("pyramid_backward", TORCH_BOX(&phasenet::pyramid_backward));
}
