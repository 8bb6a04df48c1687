// How frames get to the bands of their mirrored selves; both ways serve every size and give the
// same to rounding.
#pragma once

#include "../../common/phase_options.h"

namespace phasenet {

// Whether it is by DctBands, matrix products, which are fastest for small frames; else by FftBands,
// Fourier transforms. The faster, by operations counted and rates measured. The environment
// variable PHASENET_TRANSFORM=cosine|fourier decides instead, for measurements and tests; anything
// else is refused with std::runtime_error.
bool prefers_dct(Size frame, const PhaseOptions& options);

}  // namespace phasenet
