// The complex steerable pyramid and the adjoint of its inverse: where fft_pyramid.h does not have
// them, one real transform of the images, then for every few scales one kernel that crops, applies
// masks and phases and fills all bands and the residuals, and for each an inverse transform of all
// its bands.
#include "../common/coefficients.h"
#include "../common/fft.h"
#include "fft_pyramid.h"
#include "filters.cuh"
#include "frequencies.cuh"
#include "operators.h"
#include "orientations.h"
#include "pyramid.h"

namespace phasenet::cuda {
namespace {

constexpr int kConvertThreads = 256;
constexpr int kConvertEach = 4;

template <typename T>
__global__ void scale_bytes(const uint8_t* from, int64_t count, T* to) {
  const int64_t first = int64_t{blockIdx.x} * (kConvertThreads * kConvertEach) + threadIdx.x;
  for (int i = 0; i < kConvertEach; ++i) {
    const int64_t at = first + i * kConvertThreads;
    if (at < count) {
      to[at] = static_cast<T>(from[at]) / T(255);
    }
  }
}

constexpr int kMostScales = 8;  // of one launch

// One scale of a launch.
template <typename T>
struct Scale {
  Frequencies frequencies;  // of the bands
  int h, w;
  int64_t area;
  T octaves;          // 4^level
  int number;         // of the level's, from 0
  Complex<T> phase;   // of the bands, with everything that is constant
  Complex<T>* bands;  // [N, nbands, h, w]
  HalfSpectra<Complex<T>> highpass, lowpass;
  T high_scale, low_scale;
};

template <typename T>
struct Analysis {
  HalfSpectra<const Complex<T>> images;
  Steps<T> steps;
  Directions<T> directions;
  Scale<T> scales[kMostScales];  // one's blocks after another's
};

// `one_sided`: analytic bands, else real ones with filters on both half planes. Each value goes to
// its frequency and to the opposite one. `kBands`: their number, or 0.
template <typename T, bool one_sided, int kBands, typename Masks>
__global__ void __launch_bounds__(kFilterThreads, kResident<T>)
    analyze(Analysis<T> p, Masks masks) {
  unsigned block = blockIdx.x;
  int part = 0;
  for (; block >= p.scales[part].frequencies.blocks(); ++part) {
    block -= p.scales[part].frequencies.blocks();
  }
  const Scale<T>& scale = p.scales[part];
  scale.frequencies.visit(block, [&](unsigned plane, int y, int x) {
    const T f_x = T(x) * p.steps.x;
    const T radius2 = square(T(signed_frequency(y, scale.h)) * p.steps.y) + square(f_x);
    const bool has_high = scale.highpass.values != nullptr;
    const bool has_low = scale.lowpass.values != nullptr;
    const T high = has_high ? masks.highpass(radius2) * scale.high_scale : T(0);
    const T low = has_low ? masks.lowpass(radius2 * scale.octaves) * scale.low_scale : T(0);
    const T radial = masks.band(radius2 * scale.octaves, scale.number);
    const T inverse = radial > T(0) ? inverse_root(radius2) : T(0);
    const bool has_opposite = x > 0 && 2 * x != scale.w;  // else it has a thread of its own
    const int count = kBands > 0 ? kBands : p.directions.count;
    for_both_signs(y, scale.h, [&](int, int k) {
      const Complex<T> value = p.images.at(plane, k, x);
      if (has_high) {
        scale.highpass.at(plane, k, x) = value * high;
      }
      if (scale.lowpass.have(k, x)) {
        scale.lowpass.at(plane, k, x) = value * low;
      }
      const Complex<T> here = value * scale.phase * radial;
      const Complex<T> there =
          one_sided ? conjugate(value) * scale.phase * radial : conjugate(here);
      const T f_y = T(k) * p.steps.y;
      const int row = index_of(k, scale.h);
      Complex<T>* out = scale.bands + plane * (count * scale.area);
      Complex<T>* opposite =
          out + (int64_t{row == 0 ? 0 : scale.h - row} * scale.w + (scale.w - x));
      out += int64_t{row} * scale.w + x;
#pragma unroll(kBands > 0 ? kBands : 1)
      for (int band = 0; band < count; ++band, out += scale.area, opposite += scale.area) {
        const T cosine =
            (f_x * p.directions.cosine[band] + f_y * p.directions.sine[band]) * inverse;
        const T weight = power(one_sided && cosine < T(0) ? -cosine : cosine, count);
        const bool is_here = !one_sided || cosine > T(0);
        const bool is_there = !one_sided || cosine < T(0);
        *out = here * (is_here ? weight : T(0));
        if (has_opposite) {
          *opposite = there * (is_there ? weight : T(0));
        }
      }
    });
  });
}

// Whose bands: of the pyramid, analytic unless there is one for all directions; or, real, of the
// inverse's adjoint, whose transforms are normalised by the image's size.
enum class Bands { analytic, real };

// A scale, the finest being 1, and which residuals come with it.
struct Asked {
  int64_t scale;
  bool high = false, low = false;
};

// What a launch gives of one scale; residuals only where asked for.
struct Filtered {
  Tensor bands;
  Tensor highpass, lowpass;  // half spectra [N, h, w / 2 + 1]
};

// At most kMostScales by one launch. Every spectrum is weighted so that its inverse transform needs
// no normalisation.
template <typename T>
std::vector<Filtered> filter_scales(
    const Tensor& spectra,
    Size image,
    const std::vector<Size>& sizes,
    int64_t nbands,
    Octave octave,
    Bands kind,
    const std::vector<Asked>& asked) {
  const bool one_sided = kind == Bands::analytic && nbands > 1;
  const int64_t count = spectra.size(0);
  const auto norm = [&](Size of) {
    return 1.0 / static_cast<double>((kind == Bands::analytic ? of : image).area());
  };
  const auto half = [&](Size of) {
    return empty_like_device(spectra, {count, of.h, half_columns(of.w)}, Dtypes<T>::complex);
  };
  std::vector<Filtered> results;
  Analysis<T> p{};
  p.images = HalfSpectra<const Complex<T>>(spectra);
  p.steps = steps<T>(image);
  p.directions = directions<T>(nbands);
  int64_t blocks = 0;
  for (const Asked& part : asked) {
    const Size size = sizes[part.scale - 1], low = sizes[part.scale];
    const int64_t level = (part.scale - 1) / octave.count + 1;
    const Tensor bands =
        empty_like_device(spectra, {count, nbands, size.h, size.w}, Dtypes<T>::complex);
    Filtered result{bands, bands, bands};
    Scale<T>& scale = p.scales[results.size()];
    scale.frequencies = Frequencies(size, count);
    scale.h = static_cast<int>(size.h);
    scale.w = static_cast<int>(size.w);
    scale.area = size.area();
    scale.octaves = static_cast<T>(std::pow(4.0, static_cast<double>(level)));
    scale.number = static_cast<int>((part.scale - 1) % octave.count);
    const auto all = static_cast<T>((one_sided ? 2 : 1) * angular_scale(nbands) * norm(size));
    scale.phase = {analysis_phase<T>(nbands).re * all, analysis_phase<T>(nbands).im * all};
    scale.bands = static_cast<Complex<T>*>(bands.mutable_data_ptr());
    if (part.high) {
      result.highpass = half(image);
      scale.highpass = HalfSpectra<Complex<T>>(result.highpass);
      scale.high_scale = static_cast<T>(norm(image));
    }
    if (part.low) {
      result.lowpass = half(low);
      scale.lowpass = HalfSpectra<Complex<T>>(result.lowpass);
      scale.low_scale = static_cast<T>(norm(low));
    }
    blocks += scale.frequencies.blocks();
    results.push_back(result);
  }
  const Launch launch(spectra);
  with_filters<T>(nbands, octave, [&](auto bands_known, auto masks) {
    constexpr int kBands = decltype(bands_known)::value;
    using Masks = decltype(masks);
    launch(
        one_sided ? analyze<T, true, kBands, Masks> : analyze<T, false, kBands, Masks>,
        blocks,
        dim3(kFilterThreads),
        0,
        p,
        masks);
  });
  return results;
}

// Whether images of this dtype and size need none of ATen's transforms.
template <typename T>
bool is_own(const Tensor& images) {
  return std::is_same_v<T, float> && has_own_transforms(images, image_size(images));
}

template <typename T>
std::vector<Tensor> coefficients(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    Octave octave,
    Bands kind,
    const std::vector<bool>& wanted) {
  const Size image = image_size(images);
  const auto batch = leading(images, 2);
  const auto specs = coefficient_specs<T>(batch, image, height, nbands, octave, wanted);
  std::vector<Tensor> result;
  if (is_own<T>(images)) {
    const Tensor given = to_real<T>(as_batch(images, 2));
    for (const TensorSpec& spec : specs) {
      result.push_back(empty_like_device(given, spec.shape, spec.dtype));
    }
    analyze_by_fft(given, height, nbands, octave, kind == Bands::analytic, result);
    return result;
  }
  const auto sizes = level_sizes(image, height, octave.count);
  const Tensor spectra = rfft2(to_real<T>(as_batch(images, 2)));
  const auto real = [&](const Tensor& half, Size size) {
    return with_batch(irfft2(half, size.w, Norm::none), batch);
  };
  for (const TensorSpec& spec : specs) {  // those that are not wanted, in their places
    const bool is_wanted = wanted[result.size()];
    result.push_back(is_wanted ? spectra : empty_like_device(spectra, spec.shape, spec.dtype));
  }
  const auto scales = static_cast<int64_t>(sizes.size()) - 1;
  std::vector<Asked> together;
  int64_t bytes = 0;  // of their bands' spectra
  const auto finish = [&] {
    const auto filtered = filter_scales<T>(spectra, image, sizes, nbands, octave, kind, together);
    for (size_t i = 0; i < together.size(); ++i) {
      const Asked& part = together[i];
      if (part.high) {
        result.front() = real(filtered[i].highpass, image);
      }
      if (wanted[part.scale]) {
        result[part.scale] = with_batch(ifft2(filtered[i].bands, Norm::none), batch);
      }
      if (part.low) {
        result.back() = real(filtered[i].lowpass, sizes.back());
      }
    }
    together.clear();
    bytes = 0;
  };
  // Small scales fill a device together only, large ones are to be in its L2 when transformed.
  const int64_t most = Launch(spectra).l2_bytes() / 2;
  for (int64_t scale = 1; scale <= scales; ++scale) {
    const Asked part{scale, scale == 1 && wanted[0], scale == scales && wanted[scales + 1]};
    if (!wanted[scale] && !part.high && !part.low) {
      continue;
    }
    const int64_t more =
        spectra.size(0) * nbands * sizes[scale - 1].area() * int64_t{sizeof(Complex<T>)};
    if (together.size() == kMostScales || (!together.empty() && bytes + more > most)) {
      finish();
    }
    together.push_back(part);
    bytes += more;
  }
  if (!together.empty()) {
    finish();
  }
  return result;
}

}  // namespace

template <typename T>
Tensor to_real(const Tensor& images) {
  const Tensor bytes = dense(images);
  if (images.scalar_type() == Dtypes<T>::real) {
    return bytes;
  }
  const Tensor real = empty_like_device(bytes, leading(bytes, 0), Dtypes<T>::real);
  const Launch launch(bytes);
  launch(
      scale_bytes<T>,
      blocks_for(bytes.numel(), kConvertThreads * kConvertEach),
      dim3(kConvertThreads),
      0,
      bytes.const_data_ptr<uint8_t>(),
      bytes.numel(),
      real.mutable_data_ptr<T>());
  return real;
}

template <typename T>
Tensor analytic_bands(
    const Tensor& spectra, Size image, int64_t height, int64_t nbands, int64_t level) {
  const auto sizes = level_sizes(image, height);
  const auto filtered =
      filter_scales<T>(spectra, image, sizes, nbands, {}, Bands::analytic, {{level}});
  return ifft2(filtered.front().bands, Norm::none);
}

std::vector<Tensor> pyramid(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    std::vector<int64_t> orientations) {
  constexpr const char* op = "phasenet::pyramid";
  const Octave octave{bands_per_octave, width};
  check_pyramid(op, image_size(images), height, nbands, octave);
  check_orientations(op, orientations, nbands);
  const auto wanted = wanted_parts(op, parts, octave.count * (height - 2));
  return with_compute_dtype("images", images.scalar_type(), [&](auto zero) {
    return with_orientations(
        coefficients<decltype(zero)>(images, height, nbands, octave, Bands::analytic, wanted),
        orientations);
  });
}

// cuFFT's results are copied: ATen's own transforms into given memory do just that.
void pyramid_out(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<Tensor> out) {
  const Size image = image_size(images);
  const Octave octave{bands_per_octave, width};
  check_pyramid("phasenet::pyramid", image, height, nbands, octave);
  const auto wanted = wanted_parts("phasenet::pyramid", {}, octave.count * (height - 2));
  with_compute_dtype("images", images.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto specs =
        coefficient_specs<T>(leading(images, 2), image, height, nbands, octave, wanted);
    check_out("phasenet::pyramid", images, out, specs);
    if (is_own<T>(images)) {
      analyze_by_fft(to_real<T>(as_batch(images, 2)), height, nbands, octave, true, out);
      return;
    }
    const auto result = coefficients<T>(images, height, nbands, octave, Bands::analytic, wanted);
    for (size_t i = 0; i < out.size(); ++i) {
      torch::stable::copy_(out[i], result[i]);
    }
  });
}

// The imaginary parts of the bands are rounding.
std::vector<Tensor> pyramid_inverse_backward(
    const Tensor& grad,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    std::vector<int64_t> orientations) {
  constexpr const char* op = "phasenet::pyramid_inverse_backward";
  const Octave octave{bands_per_octave, width};
  check_pyramid(op, image_size(grad), height, nbands, octave);
  check_orientations(op, orientations, nbands);
  const auto wanted = wanted_parts(op, parts, octave.count * (height - 2));
  return with_compute_dtype("grad", grad.scalar_type(), [&](auto zero) {
    return with_orientations(
        coefficients<decltype(zero)>(grad, height, nbands, octave, Bands::real, wanted),
        orientations);
  });
}

template Tensor to_real<float>(const Tensor&);
template Tensor to_real<double>(const Tensor&);
template Tensor analytic_bands<float>(const Tensor&, Size, int64_t, int64_t, int64_t);
template Tensor analytic_bands<double>(const Tensor&, Size, int64_t, int64_t, int64_t);

}  // namespace phasenet::cuda
