// What the pyramid's operators refuse, on every device.
#pragma once

#include <algorithm>
#include <vector>

#include "tensors.h"

namespace phasenet {

// No size that is computed from one of so many pixels overflows.
constexpr int64_t kMostPixels = int64_t{1} << 40;
constexpr int64_t kMostPerOctave = 4;
constexpr double kLeastWidth = 1.0 / 32;  // a float has digits enough for its slope

inline void check_pyramid(
    const char* op, Size image, int64_t height, int64_t nbands, Octave octave = {}) {
  STD_TORCH_CHECK(
      height >= 3 && height < 60 && nbands >= 1 && nbands <= 32,
      op,
      ": expected height >= 3 and 1 <= nbands <= 32, got ",
      height,
      " and ",
      nbands);
  STD_TORCH_CHECK(
      octave.count >= 1 && octave.count <= kMostPerOctave && octave.width >= kLeastWidth &&
          octave.width * static_cast<double>(octave.count) <= 1,
      op,
      ": expected 1 <= bands_per_octave <= 4 and 1 / 32 <= width <= 1 / bands_per_octave, got ",
      octave.count,
      " and ",
      octave.width);
  STD_TORCH_CHECK(
      std::min(image.h, image.w) >= (int64_t{1} << (height - 1)),
      op,
      ": height ",
      height,
      " is too large for an image of ",
      image.h,
      " x ",
      image.w);
  STD_TORCH_CHECK(
      image.h <= kMostPixels / image.w, op, ": expected at most 2^40 pixels in an image");
}

// Which of highpass, `scales` scales and lowpass are among `parts`: all if there are none.
inline std::vector<bool> wanted_parts(
    const char* op, const std::vector<int64_t>& parts, int64_t scales) {
  std::vector<bool> wanted(scales + 2, parts.empty());
  for (const int64_t part : parts) {
    STD_TORCH_CHECK(part >= 0 && part < scales + 2, op, ": parts: no part ", part);
    wanted[part] = true;
  }
  return wanted;
}

// How many bands a scale has: of these orientations alone, all of `nbands` if there are none.
inline int64_t check_orientations(
    const char* op, const std::vector<int64_t>& orientations, int64_t nbands) {
  for (size_t i = 0; i < orientations.size(); ++i) {
    const auto here = orientations.begin() + static_cast<int64_t>(i);
    STD_TORCH_CHECK(
        *here >= 0 && *here < nbands && std::find(orientations.begin(), here, *here) == here,
        op,
        ": orientations: expected distinct numbers below ",
        nbands,
        ", got ",
        *here);
  }
  return orientations.empty() ? nbands : static_cast<int64_t>(orientations.size());
}

// The coefficients of images [*batch, H, W]: highpass, so many bands of each scale, lowpass.
template <typename T>
std::vector<TensorSpec> coefficient_specs(
    const std::vector<int64_t>& batch,
    Size image,
    int64_t height,
    int64_t bands,
    Octave octave,
    const std::vector<bool>& wanted) {
  std::vector<TensorSpec> specs;
  const auto add = [&](std::vector<int64_t> planes, Size size, ScalarType dtype) {
    std::vector<int64_t> shape = batch;
    shape.insert(shape.end(), planes.begin(), planes.end());
    const bool is_wanted = wanted[specs.size()];
    shape.insert(shape.end(), {is_wanted ? size.h : 0, is_wanted ? size.w : 0});
    specs.push_back({std::move(shape), dtype});
  };
  const std::vector<Size> sizes = level_sizes(image, height, octave.count);
  add({}, image, Dtypes<T>::real);
  for (size_t scale = 0; scale + 1 < sizes.size(); ++scale) {
    add({bands}, sizes[scale], Dtypes<T>::complex);
  }
  add({}, sizes.back(), Dtypes<T>::real);
  return specs;
}

struct Coefficients {
  Tensor highpass;
  std::vector<Tensor> bands;
  Tensor lowpass;
  Octave octave;
  std::vector<int64_t> parts;  // those that are read, see wanted_parts()
  int64_t nbands = 0;          // of the pyramid, where these are only
  std::vector<int64_t> orientations;

  int64_t height() const {
    return static_cast<int64_t>(bands.size()) / octave.count + 2;
  }
  std::vector<bool> wanted(const char* op) const {
    return wanted_parts(op, parts, static_cast<int64_t>(bands.size()));
  }
};

// Checks that the coefficients belong to one pyramid and returns its number of bands.
inline int64_t check_coefficients(const char* op, const Coefficients& coeffs) {
  STD_TORCH_CHECK(
      coeffs.octave.count > 0 && !coeffs.bands.empty() && coeffs.bands[0].dim() >= 3 &&
          coeffs.highpass.dim() >= 2 && coeffs.lowpass.dim() >= 2,
      op,
      ": expected highpass [..., H, W], bands [..., nbands, h, w], lowpass [..., h, w]");
  const Size image = image_size(coeffs.highpass);
  const int64_t planes = coeffs.bands[0].size(coeffs.bands[0].dim() - 3);
  const int64_t nbands = coeffs.orientations.empty() ? planes : coeffs.nbands;
  check_pyramid(op, image, coeffs.height(), nbands, coeffs.octave);
  const auto sizes = level_sizes(image, coeffs.height(), coeffs.octave.count);
  const int64_t count = product(leading(coeffs.highpass, 2));
  const auto wanted = coeffs.wanted(op);
  const auto fits = [&](size_t part, const Tensor& x, Size size, int64_t planes) {
    const Size got = image_size(x);
    return !wanted[part] ||
           (got.h == size.h && got.w == size.w &&
            is_product(x.numel(), {count, planes, size.area()}) && same_device(x, coeffs.highpass));
  };
  const size_t scales = coeffs.bands.size();
  bool good = check_orientations(op, coeffs.orientations, nbands) == planes &&
              sizes.size() == scales + 1 && fits(scales + 1, coeffs.lowpass, sizes.back(), 1) &&
              coeffs.lowpass.scalar_type() == coeffs.highpass.scalar_type();
  for (size_t i = 0; good && i < scales; ++i) {
    good = fits(i + 1, coeffs.bands[i], sizes[i], planes) &&
           coeffs.bands[i].scalar_type() == coeffs.bands[0].scalar_type();
  }
  const bool is_double = coeffs.highpass.scalar_type() == ScalarType::Double;
  const ScalarType complex = is_double ? Dtypes<double>::complex : Dtypes<float>::complex;
  good = good && coeffs.bands[0].scalar_type() == complex;
  STD_TORCH_CHECK(good, op, ": coefficients do not belong to one pyramid");
  return nbands;
}

}  // namespace phasenet
