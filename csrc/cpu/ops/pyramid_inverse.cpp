// From coefficients to an image: the inverse of the pyramid and the adjoint of the pyramid.
#include "../../common/coefficients.h"
#include "../bands/plane_pyramid.h"

namespace phasenet {
namespace {

template <typename T>
void synthesize(const Coefficients& coeffs, int64_t nbands, bool adjoint, const Tensor& out) {
  if (out.numel() == 0) {
    return;  // as in pyramid.cpp
  }
  const auto plan =
      pyramid_plan<T>(image_size(coeffs.highpass), coeffs.height(), nbands, coeffs.octave);
  std::vector<Tensor> dense{coeffs.highpass};
  dense.insert(dense.end(), coeffs.bands.begin(), coeffs.bands.end());
  dense.push_back(coeffs.lowpass);
  const auto wanted = coeffs.wanted("phasenet::pyramid_inverse");
  PyramidPlanes<const T> planes{std::vector<const T*>(dense.size(), nullptr), coeffs.orientations};
  for (size_t i = 0; i < dense.size(); ++i) {
    if (wanted[i]) {
      dense[i] = torch::stable::contiguous(dense[i]);  // what is dense already is not copied
      planes.parts[i] = static_cast<const T*>(dense[i].const_data_ptr());
    }
  }
  const int64_t count = product(leading(coeffs.highpass, 2));
  synthesize_planes(planes, count, *plan, adjoint, out.template mutable_data_ptr<T>());
}

// Either operator; into `out`, if there is one.
Tensor image_of(
    const char* op, const Coefficients& coeffs, bool adjoint, const Tensor* out = nullptr) {
  const int64_t nbands = check_coefficients(op, coeffs);
  const auto sizes = coeffs.highpass.sizes();
  const TensorSpec spec{{sizes.begin(), sizes.end()}, coeffs.highpass.scalar_type()};
  if (out != nullptr) {
    check_out(op, coeffs.highpass, {*out}, {spec});
  }
  const Tensor result = out != nullptr ? *out : empty_cpu(spec.shape, spec.dtype);
  with_compute_dtype("highpass", spec.dtype, [&](auto zero) {
    synthesize<decltype(zero)>(coeffs, nbands, adjoint, result);
  });
  return result;
}

// The inverse of the pyramid, or the adjoint of the pyramid.
template <bool kAdjoint>
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
  return image_of(
      kAdjoint ? "phasenet::pyramid_backward" : "phasenet::pyramid_inverse", coeffs, kAdjoint);
}

void pyramid_inverse_out(
    const Tensor& highpass,
    std::vector<Tensor> bands,
    const Tensor& lowpass,
    int64_t bands_per_octave,
    double width,
    const Tensor& out) {
  const Coefficients coeffs{
      highpass, std::move(bands), lowpass, {bands_per_octave, width}, {}, 0, {}};
  image_of("phasenet::pyramid_inverse", coeffs, false, &out);
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("pyramid_inverse", TORCH_BOX(&phasenet::pyramid_inverse<false>));
  m.impl("pyramid_inverse.out", TORCH_BOX(&phasenet::pyramid_inverse_out));
  m.impl("pyramid_backward", TORCH_BOX(&phasenet::pyramid_inverse<true>));
}
