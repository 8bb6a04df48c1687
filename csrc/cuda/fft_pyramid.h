// The pyramid and its inverse by transforms of our own; float32, sides that are powers of two.
#pragma once

#include <vector>

#include "../common/coefficients.h"
#include "pyramid.h"

namespace phasenet::cuda {

// Whether they take images of this size, on the device of `like`.
bool has_own_transforms(const Tensor& like, Size image);

// Images, dense -> coefficients as phasenet::pyramid gives them, written to `parts`. Not
// `analytic`: those of the inverse's adjoint, whose bands have no imaginary parts.
void analyze_by_fft(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    Octave octave,
    bool analytic,
    const std::vector<Tensor>& parts);

// Coefficients, their highpass among them, -> images, written to `images`, which is dense. Of the
// bands the real
// parts, or all if `analytic`, for the pyramid's adjoint.
void synthesize_by_fft(
    const Coefficients& parts, int64_t nbands, bool analytic, const Tensor& images);

}  // namespace phasenet::cuda
