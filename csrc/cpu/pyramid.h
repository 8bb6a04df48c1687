// The linear maps between images and bands as the CPU operators share them.
#pragma once

#include "../common/coefficients.h"
#include "tables.h"
#include "tensors.h"

namespace phasenet {

// [N, H, W] of a dtype that is read as T -> dense, of dtype T; uint8 is scaled by 1 / 255.
template <typename T>
Tensor to_real(const Tensor& images);

// Half spectra [N, H, W / 2 + 1] of real images -> the analytic bands of one level,
// [N, nbands, h, w].
template <typename T>
Tensor analytic_bands(const Tensor& spectra, const SpectralTables<T>& tables, int64_t level);

// Adjoint of image -> analytic bands of `levels`: band gradients [N, nbands, h, w] -> [N, H, W].
template <typename T>
Tensor analytic_bands_adjoint(
    const std::vector<Tensor>& band_grads,
    const std::vector<int64_t>& levels,
    const SpectralTables<T>& tables);

}  // namespace phasenet
