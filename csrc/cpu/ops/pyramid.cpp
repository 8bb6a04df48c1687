// The complex steerable pyramid and the adjoint of its inverse.
#include <algorithm>

#include "../../common/coefficients.h"
#include "../bands/plane_pyramid.h"
#include "../convert.h"

namespace phasenet {
namespace {

// What images of another dtype may take as T at a time.
constexpr int64_t kImagesChunk = int64_t{4} << 20;

// [N, H, W] of a dtype that is read as T -> dense, of dtype T.
template <typename T>
Tensor to_real(const Tensor& images) {
  const Tensor dense = torch::stable::contiguous(images);
  if (images.scalar_type() == Dtypes<T>::real) {
    return dense;
  }
  const auto sizes = dense.sizes();
  const Tensor real = empty_cpu({sizes.begin(), sizes.end()}, Dtypes<T>::real);
  const Source<T> read(dense);
  auto* to = real.mutable_data_ptr<T>();
  torch::stable::parallel_for(0, dense.numel(), 1 << 15, [&](int64_t begin, int64_t end) {
    read(begin, end - begin, to + begin);
  });
  return real;
}

// Calls body(part, first, last) with images [first, last) as T, contiguous: some at a time where
// they are not of dtype T, so that they are never there as T as a whole.
template <typename T, typename Body>
void in_chunks(const Tensor& images, const Body& body) {
  const Tensor source = as_batch(images, 2);
  const int64_t count = source.size(0);
  const bool whole = images.scalar_type() == Dtypes<T>::real;
  const int64_t bytes = image_size(images).area() * static_cast<int64_t>(sizeof(T));
  const int64_t chunk =
      whole ? std::max<int64_t>(1, count) : std::max<int64_t>(1, kImagesChunk / bytes);
  for (int64_t first = 0; first < count; first += chunk) {
    const int64_t last = std::min(first + chunk, count);
    body(to_real<T>(slice(source, first, last)), first, last);
  }
}

template <typename T>
void analyze(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    Octave octave,
    bool adjoint,
    const std::vector<int64_t>& orientations,
    const std::vector<Tensor>& out) {
  if (images.numel() == 0) {
    return;  // of no images: tables of their size may be larger than any memory
  }
  const auto plan = pyramid_plan<T>(image_size(images), height, nbands, octave);
  in_chunks<T>(images, [&](const Tensor& part, int64_t first, int64_t last) {
    PyramidPlanes<T> planes{{}, orientations};
    for (size_t i = 0; i < out.size(); ++i) {
      const bool residual = i == 0 || i + 1 == out.size();
      const int64_t numbers = plan->parts[i].numbers;
      const int64_t each = residual ? numbers : numbers / nbands * planes.bands(nbands);
      const bool is_wanted = out[i].numel() > 0;
      auto* data = is_wanted ? static_cast<T*>(out[i].mutable_data_ptr()) : nullptr;
      planes.parts.push_back(is_wanted ? data + first * each : nullptr);
    }
    analyze_planes(part.const_data_ptr<T>(), last - first, *plan, adjoint, planes);
  });
}

// Either operator; into `out`, if there is one.
std::vector<Tensor> coefficients(
    const char* op,
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    Octave octave,
    bool adjoint,
    const std::vector<int64_t>& parts,
    const std::vector<int64_t>& orientations,
    const std::vector<Tensor>* out = nullptr) {
  check_pyramid(op, image_size(images), height, nbands, octave);
  const int64_t bands = check_orientations(op, orientations, nbands);
  const auto wanted = wanted_parts(op, parts, octave.count * (height - 2));
  return with_input_dtype("images", images.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const auto specs =
        coefficient_specs<T>(leading(images, 2), image_size(images), height, bands, octave, wanted);
    if (out != nullptr) {
      check_out(op, images, *out, specs);
    }
    std::vector<Tensor> result = out != nullptr ? *out : empty_cpu(specs);
    analyze<T>(images, height, nbands, octave, adjoint, orientations, result);
    return result;
  });
}

// The pyramid, or the adjoint of its inverse.
template <bool kAdjoint>
std::vector<Tensor> pyramid(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<int64_t> parts,
    std::vector<int64_t> orientations) {
  const char* op = kAdjoint ? "phasenet::pyramid_inverse_backward" : "phasenet::pyramid";
  const Octave octave{bands_per_octave, width};
  return coefficients(op, images, height, nbands, octave, kAdjoint, parts, orientations);
}

void pyramid_out(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    int64_t bands_per_octave,
    double width,
    std::vector<Tensor> out) {
  constexpr const char* op = "phasenet::pyramid";
  coefficients(op, images, height, nbands, {bands_per_octave, width}, false, {}, {}, &out);
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("pyramid", TORCH_BOX(&phasenet::pyramid<false>));
  m.impl("pyramid.out", TORCH_BOX(&phasenet::pyramid_out));
  m.impl("pyramid_inverse_backward", TORCH_BOX(&phasenet::pyramid<true>));
}
