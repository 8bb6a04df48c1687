// From coefficients to an image: the inverse of the pyramid and the adjoint of the pyramid. Where
// fft_pyramid.h does not have them, every residual and level is transformed once; one kernel
// applies all masks and phases and adds them to half spectra, which are transformed back.
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

constexpr int kMostLevels = 30;  // at least two more than there are, as sides stay below 2^30

template <typename T>
struct Level {
  int h, w;
  int64_t area;
  T octaves;  // 4^level
  T scale;
};

template <typename T>
struct Residual {
  HalfSpectra<const Complex<T>> spectra;
  T scale;
};

template <typename T>
struct Synthesis {
  Frequencies frequencies;  // of the images
  HalfSpectra<Complex<T>> out;
  int h;
  Steps<T> steps;
  Directions<T> directions;
  Complex<T> phase;  // i^(nbands - 1)
  Residual<T> highpass, lowpass;
  T low_octaves;
  Level<T> levels[kMostLevels];
};

// Where the bands of each level's scales are: full spectra [N, nbands, h, w].
template <typename T, int kPerOctave>
struct Spectra {
  const Complex<T>* of[kMostLevels * kPerOctave];
};

// The sum of a scale's bands at a frequency, without their phase. Of analytic bands (`one_sided`)
// the Hermitian part of their filtered spectra, of others twice that of their real parts. `here`,
// `there`: of the first band at the frequency and at the opposite one; (unit_y, unit_x): where the
// frequency lies.
template <typename T, bool one_sided, int kBands>
__device__ __forceinline__ Complex<T> sum_of_bands(
    const Complex<T>* here,
    const Complex<T>* there,
    int64_t area,
    const Directions<T>& directions,
    T unit_y,
    T unit_x) {
  const int count = kBands > 0 ? kBands : directions.count;
  Complex<T> sum{T(0), T(0)};
#pragma unroll(kBands > 0 ? kBands : 1)
  for (int b = 0; b < count; ++b, here += area, there += area) {
    const T cosine = unit_x * directions.cosine[b] + unit_y * directions.sine[b];
    Complex<T> value;
    if (one_sided) {  // the phase at the opposite frequency has the sign of the cosine's power
      const bool is_here = cosine >= T(0);
      value = *(is_here ? here : there);
      value = is_here ? value : conjugate(value);
    } else {
      value = *here + conjugate(*there);
    }
    sum = sum + value * power(cosine, count);
  }
  return sum;
}

// The finest level, from 0, whose bands may answer to a frequency; besides it the next one's may.
// Where a band ends, rounding may name its neighbour; the filter left out is then nearly zero.
template <typename T>
__device__ __forceinline__ int finest_level(T radius2) {
  const T level = T(-0.5) * log2_of(radius2);  // from 1: whose bands would have their middle there
  return level >= T(2) && level < T(kMostLevels) ? static_cast<int>(level) - 1 : 0;  // DC: none
}

template <typename T, bool one_sided, int kBands, typename Masks, typename Bands>
__global__ void __launch_bounds__(kFilterThreads, kResident<T>)
    synthesize(Synthesis<T> p, Masks masks, Bands bands) {
  p.frequencies.visit(blockIdx.x, [&](unsigned plane, int y, int x) {
    const T f_x = T(x) * p.steps.x;
    const T radius2 = square(T(signed_frequency(y, p.h)) * p.steps.y) + square(f_x);
    Complex<T> sums[2] = {};  // for both signs
    // Where filters are not zero, levels have the frequency; were a band to end late by rounding,
    // its rows and columns would still be there. Levels that are not there have no bands and
    // filters of zero.
    const int finest = finest_level(radius2);
    for (int l = finest; l < finest + 2; ++l) {
      const Level<T>& level = p.levels[l];
      for (int i = 0; i < masks.count; ++i) {
        const Complex<T>* values = bands.of[l * masks.count + i];
        const T radial = masks.band(radius2 * level.octaves, i) * level.scale;
        if (radial > T(0) && values != nullptr) {
          const T inverse = inverse_root(radius2);
          values += plane * (p.directions.count * level.area);
          const int first = signed_frequency(y, p.h), opposite_x = x == 0 ? 0 : level.w - x;
          const Complex<T>* rows[2] = {
              values + int64_t{index_of(first, level.h)} * level.w,
              values + int64_t{index_of(-first, level.h)} * level.w};
          for_both_signs(y, p.h, [&](int sign, int k) {
            const Complex<T> sum = sum_of_bands<T, one_sided, kBands>(
                rows[sign] + x,
                rows[1 - sign] + opposite_x,
                level.area,
                p.directions,
                T(k) * p.steps.y * inverse,
                f_x * inverse);
            sums[sign] = sums[sign] + sum * radial;
          });
        }
      }
    }
    if (kBands != 1) {  // else it is 1
      for (Complex<T>& sum : sums) {
        sum = sum * p.phase;
      }
    }
    // Of sides above 2^24 rounding may end the lowpass behind the last column.
    const auto add = [&](const Residual<T>& of, T mask) {
      if (mask > T(0) && static_cast<unsigned>(x) < of.spectra.columns) {
        for_both_signs(y, p.h, [&](int sign, int k) {
          sums[sign] = sums[sign] + of.spectra.at(plane, k, x) * (mask * of.scale);
        });
      }
    };
    if (p.highpass.spectra.values != nullptr) {
      add(p.highpass, masks.highpass(radius2));
    }
    if (p.lowpass.spectra.values != nullptr) {
      add(p.lowpass, masks.lowpass(radius2 * p.low_octaves));
    }
    for_both_signs(y, p.h, [&](int sign, int k) { p.out.at(plane, k, x) = sums[sign]; });
  });
}

// The bands of all scales of all levels, [N, nbands, h, w] or null.
struct BandLevels {
  std::vector<const Tensor*> bands;
  Octave octave;
};

template <typename T>
T power_of_four(int64_t exponent) {
  return static_cast<T>(std::pow(4.0, static_cast<double>(exponent)));
}

// Real images [N, H, W]. As the last transform is not normalised, the inverse takes the image's
// area off every weight, and the adjoint of a transform normalised by its own size takes that off.
template <typename T>
Tensor images_of(
    const BandLevels& given,
    const Tensor* highpass,
    const Tensor* lowpass,
    Size image,
    int64_t height,
    int64_t nbands,
    bool adjoint) {
  const auto sizes = level_sizes(image, height);
  STD_TORCH_CHECK(
      std::max(image.h, image.w) < kMostSide && height <= kMostLevels,
      "phasenet: an image is too large");
  const auto norm = [&](Size of) {
    return static_cast<T>(1.0 / static_cast<double>((adjoint ? of : image).area()));
  };
  // The tensors that the kernel reads live until it is launched; the allocator then knows its
  // stream.
  std::vector<Tensor> spectra;
  Synthesis<T> p{};
  p.h = static_cast<int>(image.h);
  p.steps = steps<T>(image);
  p.directions = directions<T>(nbands);
  p.phase = {analysis_phase<T>(nbands).re, -analysis_phase<T>(nbands).im};
  // Of bands that are not analytic the kernel makes twice the Hermitian part.
  const T angular = p.directions.scale * (adjoint && nbands > 1 ? T(1) : T(0.5));
  const auto residual = [&](const Tensor* planes, Size size) -> Residual<T> {
    if (planes == nullptr) {
      return {};
    }
    spectra.push_back(rfft2(as_batch(*planes, 2)));
    return {HalfSpectra<const Complex<T>>(spectra.back()), norm(size)};
  };
  p.highpass = residual(highpass, image);
  p.lowpass = residual(lowpass, sizes.back());
  p.low_octaves = power_of_four<T>(height - 2);
  std::vector<const Complex<T>*> of_bands;
  for (const Tensor* bands : given.bands) {
    if (bands == nullptr) {
      of_bands.push_back(nullptr);
      continue;
    }
    spectra.push_back(fft2(as_batch(*bands, 3)));
    of_bands.push_back(static_cast<const Complex<T>*>(spectra.back().const_data_ptr()));
  }
  for (int64_t level = 1; level <= height - 2; ++level) {
    const Size size = sizes[level - 1];
    p.levels[level - 1] = {
        static_cast<int>(size.h),
        static_cast<int>(size.w),
        size.area(),
        power_of_four<T>(level),
        norm(size) * angular};
  }
  const Tensor& like = spectra.front();
  const int64_t count = like.size(0);
  const Tensor sum =
      empty_like_device(like, {count, image.h, half_columns(image.w)}, Dtypes<T>::complex);
  p.out = HalfSpectra<Complex<T>>(sum);
  p.frequencies = Frequencies(image, count);
  const Launch launch(sum);
  with_filters<T>(nbands, given.octave, [&](auto bands_known, auto masks) {
    constexpr int kBands = decltype(bands_known)::value;
    using Masks = decltype(masks);
    using Bands = Spectra<T, std::is_same_v<Masks, OctaveMasks<T>> ? 1 : kMostPerOctave>;
    Bands bands{};
    std::copy(of_bands.begin(), of_bands.end(), bands.of);
    launch(
        adjoint && nbands > 1 ? synthesize<T, true, kBands, Masks, Bands>
                              : synthesize<T, false, kBands, Masks, Bands>,
        p.frequencies.blocks(),
        dim3(kFilterThreads),
        0,
        p,
        masks,
        bands);
  });
  spectra.clear();  // before the transform, which takes more
  return irfft2(sum, image.w, Norm::none);
}

// `out`: where to write it, or null.
Tensor image_of(const char* op, const Coefficients& coeffs, bool adjoint, const Tensor* out) {
  const int64_t nbands = check_coefficients(op, coeffs);
  if (!coeffs.orientations.empty()) {
    Coefficients all = coeffs;
    const auto wanted = coeffs.wanted(op);
    for (size_t i = 0; i < all.bands.size(); ++i) {
      Tensor& bands = all.bands[i];  // of those that are not wanted only their number is read
      bands = wanted[i + 1] ? with_all_orientations(bands, coeffs.orientations, nbands)
                            : torch::stable::new_empty(bands, {nbands, 0, 0});
    }
    all.orientations.clear();
    return image_of(op, all, adjoint, out);
  }
  const Tensor& like = coeffs.highpass;
  const std::vector<int64_t> shape = leading(like, 0);
  if (out != nullptr) {
    check_out(op, like, {*out}, {{shape, like.scalar_type()}});
  }
  const Size image = image_size(like);
  const auto wanted = coeffs.wanted(op);
  // Ours write the highpass first and add the rest.
  if (like.scalar_type() == ScalarType::Float && wanted[0] && has_own_transforms(like, image)) {
    const Tensor images = out != nullptr ? *out : empty_like_device(like, shape, ScalarType::Float);
    synthesize_by_fft(coeffs, nbands, adjoint, images);
    return images;
  }
  BandLevels given{{}, coeffs.octave};
  for (const Tensor& bands : coeffs.bands) {
    given.bands.push_back(wanted[given.bands.size() + 1] ? &bands : nullptr);
  }
  return with_compute_dtype("highpass", like.scalar_type(), [&](auto zero) {
    const Tensor images = images_of<decltype(zero)>(
        given,
        wanted.front() ? &coeffs.highpass : nullptr,
        wanted.back() ? &coeffs.lowpass : nullptr,
        image,
        coeffs.height(),
        nbands,
        adjoint);
    if (out != nullptr) {
      // ATen's own transforms into given memory do just that.
      torch::stable::copy_(const_cast<Tensor&>(*out), with_batch(images, leading(like, 2)));
      return *out;
    }
    return with_batch(images, leading(like, 2));
  });
}

}  // namespace

Tensor pyramid_inverse(
    const Tensor& highpass,
    std::vector<Tensor> bands,
    const Tensor& lowpass,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    int64_t nbands,
    std::vector<int64_t> orientations) {
  const Coefficients coeffs{
      highpass,
      std::move(bands),
      lowpass,
      {bands_per_octave, width},
      std::move(parts),
      nbands,
      std::move(orientations)};
  return image_of("phasenet::pyramid_inverse", coeffs, false, nullptr);
}

void pyramid_inverse_out(
    const Tensor& highpass,
    std::vector<Tensor> bands,
    const Tensor& lowpass,
    int64_t bands_per_octave,
    double width,
    Tensor out) {
  const Coefficients coeffs{
      highpass, std::move(bands), lowpass, {bands_per_octave, width}, {}, 0, {}};
  image_of("phasenet::pyramid_inverse", coeffs, false, &out);
}

Tensor pyramid_backward(
    const Tensor& highpass,
    std::vector<Tensor> bands,
    const Tensor& lowpass,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    int64_t nbands,
    std::vector<int64_t> orientations) {
  const Coefficients coeffs{
      highpass,
      std::move(bands),
      lowpass,
      {bands_per_octave, width},
      std::move(parts),
      nbands,
      std::move(orientations)};
  return image_of("phasenet::pyramid_backward", coeffs, true, nullptr);
}

template <typename T>
Tensor analytic_bands_adjoint(
    const std::vector<Tensor>& band_grads,
    const std::vector<int64_t>& levels,
    Size image,
    int64_t height) {
  const int64_t nbands = band_grads.at(0).size(1);
  BandLevels given{std::vector<const Tensor*>(height - 2), {}};
  for (size_t i = 0; i < levels.size(); ++i) {
    given.bands[levels[i] - 1] = &band_grads[i];
  }
  return images_of<T>(given, nullptr, nullptr, image, height, nbands, true);
}

template Tensor analytic_bands_adjoint<float>(
    const std::vector<Tensor>&, const std::vector<int64_t>&, Size, int64_t);
template Tensor analytic_bands_adjoint<double>(
    const std::vector<Tensor>&, const std::vector<int64_t>&, Size, int64_t);

}  // namespace phasenet::cuda
