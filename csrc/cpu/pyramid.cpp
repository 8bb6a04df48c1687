// The complex steerable pyramid and the adjoint of its inverse. Where the plane kernels take every
// side of it, they do everything (plane_pyramid.h). The general path is ATen's FFTs around one
// fused pass per level that crops, applies every mask and the orientation phase, and fills all
// bands.
#include "pyramid.h"

#include <algorithm>

#include "../common/coefficients.h"
#include "../common/fft.h"
#include "convert.h"
#include "plane_pyramid.h"
#include "spectra.h"

namespace phasenet {

namespace {

constexpr int64_t kRowsPerTask = 32;
// Planes are filtered and transformed so many bytes at a time: their spectra then stay in the cache
// and their memory is used again, which is worth the copy to where the bands go.
constexpr int64_t kChunkBytes = int64_t{2} << 20;

// The real images whose half spectra `fill_row(n, row, out)` gives.
template <typename T, typename FillRow>
Tensor real_images(int64_t count, Size size, const FillRow& fill_row) {
  const int64_t columns = half_columns(size.w);
  const Tensor spectra = empty_cpu({count, size.h, columns}, Dtypes<T>::complex);
  auto* out = spectra.mutable_data_ptr<Complex<T>>();
  torch::stable::parallel_for(0, count * size.h, kRowsPerTask, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      fill_row(i / size.h, i % size.h, out + i * columns);
    }
  });
  return irfft2(spectra, size.w, Norm::by_size);
}

template <typename T>
Tensor residual(
    const Tensor& spectra, Size image, const std::vector<T>& weights, Size size, T scale) {
  const auto* source = spectra.const_data_ptr<Complex<T>>();
  const int64_t stride = image.h * half_columns(image.w);
  return real_images<T>(spectra.size(0), size, [&](int64_t n, int64_t row, Complex<T>* out) {
    residual_row(source + n * stride, image, weights.data(), size, row, scale, out);
  });
}

// What images of another dtype may take as T at a time.
constexpr int64_t kImagesChunk = int64_t{4} << 20;

// Calls body(part, first, last) with images [first, last) as T, contiguous: some at a time where
// they are not of dtype T, so that they are never there as T as a whole. Without images, once.
template <typename T, typename Body>
void in_chunks(const Tensor& images, const Body& body) {
  const Tensor source = as_batch(images, 2);
  const int64_t count = source.size(0);
  const bool whole = images.scalar_type() == Dtypes<T>::real;
  const int64_t bytes = image_size(images).area() * static_cast<int64_t>(sizeof(T));
  const int64_t chunk = whole ? count : std::max<int64_t>(1, kImagesChunk / bytes);
  int64_t first = 0;
  do {
    const int64_t last = std::min(first + chunk, count);
    body(to_real<T>(slice(source, first, last)), first, last);
    first = last;
  } while (first < count);
}

// The coefficients of all images [..., H, W] that `analyze` makes of real images [n, H, W].
template <typename T, typename Analyze>
std::vector<Tensor> by_transforms(const Tensor& images, const Analyze& analyze) {
  const int64_t count = as_batch(images, 2).size(0);
  std::vector<Tensor> result;
  in_chunks<T>(images, [&](const Tensor& chunk, int64_t first, int64_t last) {
    std::vector<Tensor> part = analyze(chunk);
    if (last - first == count) {
      result = std::move(part);
      return;
    }
    for (size_t i = 0; i < part.size(); ++i) {
      if (first == 0) {
        const auto sizes = part[i].sizes();
        std::vector<int64_t> shape{sizes.begin(), sizes.end()};
        shape[0] = count;
        result.push_back(empty_cpu(shape, part[i].scalar_type()));
      }
      Tensor target = slice(result[i], first, last);
      torch::stable::copy_(target, part[i]);
    }
  });
  for (Tensor& level : result) {
    level = with_batch(level, leading(images, 2));
  }
  return result;
}

// Either of both operators by the plane kernels, into `out`.
template <typename T>
void by_planes(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    bool adjoint,
    const std::vector<Tensor>& out) {
  const Size image = image_size(images);
  const auto plan = pyramid_plan<T>(image, height, nbands);
  PyramidPlanes<T> planes{
      out.front().template mutable_data_ptr<T>(), {}, out.back().template mutable_data_ptr<T>()};
  for (size_t i = 1; i + 1 < out.size(); ++i) {
    planes.levels.push_back(static_cast<T*>(out[i].mutable_data_ptr()));
  }
  in_chunks<T>(images, [&](const Tensor& part, int64_t first, int64_t last) {
    PyramidPlanes<T> target = planes;
    target.highpass += first * image.area();
    target.lowpass += first * plan->residuals[1].size.area();
    for (size_t i = 0; i < plan->levels.size(); ++i) {
      target.levels[i] += 2 * first * nbands * plan->levels[i].size.area();
    }
    analyze_planes(part.const_data_ptr<T>(), last - first, *plan, adjoint, target);
  });
}

template <typename T>
std::vector<Tensor> pyramid_of(const Tensor& images, int64_t height, int64_t nbands) {
  const Size image = image_size(images);
  const auto tables = spectral_tables<T>(image, height, nbands);
  return by_transforms<T>(images, [&](const Tensor& real) {
    const Tensor spectra = rfft2(real);
    std::vector<Tensor> result{residual<T>(spectra, image, tables->highpass, image, T(1))};
    for (int64_t level = 1; level < height - 1; ++level) {
      result.push_back(analytic_bands<T>(spectra, *tables, level));
    }
    const LevelTable<T>& low = tables->lowpass;
    result.push_back(residual<T>(spectra, image, low.weights, low.size, T(1)));
    return result;
  });
}

// Adjoint of the inverse. A band of side m reaches an image of side N through an inverse transform
// normalised by N, hence the factor m / N.
template <typename T>
std::vector<Tensor> pyramid_inverse_backward_of(
    const Tensor& grad, int64_t height, int64_t nbands) {
  const Size image = image_size(grad);
  const auto tables = spectral_tables<T>(image, height, nbands);
  const int64_t stride = image.h * half_columns(image.w);
  const auto scale = [&](Size size) { return T(double(size.area()) / double(image.area())); };
  return by_transforms<T>(grad, [&](const Tensor& chunk) {
    const Tensor spectra = rfft2(chunk);
    const auto* source = spectra.const_data_ptr<Complex<T>>();
    std::vector<Tensor> result{residual<T>(spectra, image, tables->highpass, image, T(1))};
    for (const LevelTable<T>& level : tables->levels) {
      const Complex<T> factor = analysis_phase<T>(nbands) * scale(level.size);
      const Tensor real = real_images<T>(
          spectra.size(0) * nbands, level.size, [&](int64_t n, int64_t row, Complex<T>* out) {
            const Complex<T>* spectrum = source + n / nbands * stride;
            real_band_row(spectrum, image, level, nbands, n % nbands, row, factor, out);
          });
      const Size size = level.size;
      const Tensor split = torch::stable::reshape(real, {spectra.size(0), nbands, size.h, size.w});
      result.push_back(to_complex(split, Dtypes<T>::complex));
    }
    const LevelTable<T>& low = tables->lowpass;
    result.push_back(residual<T>(spectra, image, low.weights, low.size, scale(low.size)));
    return result;
  });
}

// Either of both operators; into `out`, if there is one.
std::vector<Tensor> coefficients(
    const char* op,
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    bool adjoint,
    const std::vector<Tensor>* out = nullptr) {
  const Size image = image_size(images);
  check_pyramid(op, image, height, nbands);
  return with_input_dtype("images", images.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto specs = coefficient_specs<T>(leading(images, 2), image, height, nbands);
    if (out != nullptr) {
      check_out(op, images, *out, specs);
    }
    if (has_plane_kernels(image, height)) {
      const std::vector<Tensor> result = out != nullptr ? *out : empty_cpu(specs);
      by_planes<T>(images, height, nbands, adjoint, result);
      return result;
    }
    std::vector<Tensor> result = adjoint ? pyramid_inverse_backward_of<T>(images, height, nbands)
                                         : pyramid_of<T>(images, height, nbands);
    for (size_t i = 0; out != nullptr && i < out->size(); ++i) {
      Tensor target = (*out)[i];
      torch::stable::copy_(target, result[i]);
    }
    return result;
  });
}

std::vector<Tensor> pyramid(const Tensor& images, int64_t height, int64_t nbands) {
  return coefficients("phasenet::pyramid", images, height, nbands, false);
}

void pyramid_out(const Tensor& images, int64_t height, int64_t nbands, std::vector<Tensor> out) {
  coefficients("phasenet::pyramid", images, height, nbands, false, &out);
}

std::vector<Tensor> pyramid_inverse_backward(const Tensor& grad, int64_t height, int64_t nbands) {
  return coefficients("phasenet::pyramid_inverse_backward", grad, height, nbands, true);
}

}  // namespace

template <typename T>
Tensor to_real(const Tensor& images) {
  if (images.scalar_type() == Dtypes<T>::real) {
    return torch::stable::contiguous(images);
  }
  const Tensor dense = torch::stable::contiguous(images);
  const auto sizes = dense.sizes();
  const Tensor real = empty_cpu({sizes.begin(), sizes.end()}, Dtypes<T>::real);
  const Source<T> read(dense);
  auto* to = real.mutable_data_ptr<T>();
  torch::stable::parallel_for(0, dense.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
    read(begin, end - begin, to + begin);
  });
  return real;
}

template <typename T>
Tensor analytic_bands(const Tensor& spectra, const SpectralTables<T>& tables, int64_t level) {
  const LevelTable<T>& table = tables.levels[level - 1];
  const Size size = table.size, image = tables.image;
  const int64_t nbands = tables.nbands, count = spectra.size(0);
  const int64_t stride = image.h * half_columns(image.w);
  const Complex<T> phase = analysis_phase<T>(nbands);
  const auto* source = spectra.const_data_ptr<Complex<T>>();
  const int64_t planes = count * nbands;
  const auto filtered = [&](int64_t first, int64_t last) {
    const Tensor result = empty_cpu({last - first, size.h, size.w}, Dtypes<T>::complex);
    auto* out = result.mutable_data_ptr<Complex<T>>();
    torch::stable::parallel_for(
        first * size.h, last * size.h, kRowsPerTask, [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) {
            const int64_t row = i % size.h, plane = i / size.h;
            const Complex<T>* spectrum = source + plane / nbands * stride;
            Complex<T>* target = out + (i - first * size.h) * size.w;
            analytic_band_row(spectrum, image, table, plane % nbands, row, phase, target);
          }
        });
    return result;
  };

  const std::vector<int64_t> shape{count, nbands, size.h, size.w};
  const int64_t bytes = size.area() * static_cast<int64_t>(sizeof(Complex<T>));
  const int64_t chunk = std::max<int64_t>(1, kChunkBytes / bytes);
  if (planes <= chunk) {
    return torch::stable::reshape(ifft2(filtered(0, planes)), shape);
  }
  const Tensor bands = empty_cpu({planes, size.h, size.w}, Dtypes<T>::complex);
  for (int64_t first = 0; first < planes; first += chunk) {
    const int64_t last = std::min(first + chunk, planes);
    ifft2_out(filtered(first, last), slice(bands, first, last));
  }
  return torch::stable::reshape(bands, shape);
}

template Tensor to_real<float>(const Tensor&);
template Tensor to_real<double>(const Tensor&);
template Tensor analytic_bands(const Tensor&, const SpectralTables<float>&, int64_t);
template Tensor analytic_bands(const Tensor&, const SpectralTables<double>&, int64_t);

}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("pyramid", TORCH_BOX(&phasenet::pyramid));
  m.impl("pyramid.out", TORCH_BOX(&phasenet::pyramid_out));
  m.impl("pyramid_inverse_backward", TORCH_BOX(&phasenet::pyramid_inverse_backward));
}
