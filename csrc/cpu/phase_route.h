// How frames get to the bands of their mirrored selves; all ways give the same to rounding.
#pragma once

#include "../common/phase_options.h"

namespace phasenet {

enum class PhaseRoute {
  kProducts,  // CosineBands: matrix products, any size, fastest for small frames
  kPlanes,    // MirroredBands: our Fourier transforms, sizes without large prime factors
  kGeneral,   // mirrored frames and ATen's transforms, any size
};

// The fastest, by operations counted and rates measured. The environment variable
// PHASENET_TRANSFORM=cosine|fourier|general decides instead, for measurements and tests: fourier is
// kPlanes for the sizes it knows, else kGeneral. Anything else is refused with std::runtime_error.
PhaseRoute phase_route(Size frame, const PhaseOptions& options);

}  // namespace phasenet
