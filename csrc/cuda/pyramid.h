// The linear maps between images and bands as the CUDA operators share them.
#pragma once

#include <vector>

#include "../common/tensors.h"

namespace phasenet::cuda {

// [N, H, W] uint8 or of dtype T -> dense, of dtype T; uint8 is scaled by 1 / 255.
template <typename T>
Tensor to_real(const Tensor& images);

// Half spectra [N, H, W / 2 + 1] of real images, dense -> the analytic bands of one level, complex
// [N, nbands, h, w], dense.
template <typename T>
Tensor analytic_bands(
    const Tensor& spectra, Size image, int64_t height, int64_t nbands, int64_t level);

// Adjoint of image -> analytic bands of distinct `levels`: gradients [N, nbands, h, w], complex and
// one for each of `levels`, -> real [N, H, W].
template <typename T>
Tensor analytic_bands_adjoint(
    const std::vector<Tensor>& band_grads,
    const std::vector<int64_t>& levels,
    Size image,
    int64_t height);

}  // namespace phasenet::cuda
