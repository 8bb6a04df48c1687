// Registers the operators for CUDA tensors; emulated, in place of the CPU's own.
#include "operators.h"

#include <torch/csrc/stable/library.h>

#if defined(PHASENET_EMULATED)
#define PHASENET_DEVICE CPU
#else
#define PHASENET_DEVICE CUDA
#endif

STABLE_TORCH_LIBRARY_IMPL(phasenet, PHASENET_DEVICE, m) {
  m.impl("pyramid", TORCH_BOX(&phasenet::cuda::pyramid));
  m.impl("pyramid.out", TORCH_BOX(&phasenet::cuda::pyramid_out));
  m.impl("pyramid_backward", TORCH_BOX(&phasenet::cuda::pyramid_backward));
  m.impl("pyramid_inverse", TORCH_BOX(&phasenet::cuda::pyramid_inverse));
  m.impl("pyramid_inverse.out", TORCH_BOX(&phasenet::cuda::pyramid_inverse_out));
  m.impl("pyramid_inverse_backward", TORCH_BOX(&phasenet::cuda::pyramid_inverse_backward));
  m.impl("phase_difference_windows", TORCH_BOX(&phasenet::cuda::phase_difference_windows));
  m.impl("phase_difference_windows.out", TORCH_BOX(&phasenet::cuda::phase_difference_windows_out));
  m.impl(
      "phase_difference_windows_backward",
      TORCH_BOX(&phasenet::cuda::phase_difference_windows_backward));
  m.impl("band_phase", TORCH_BOX(&phasenet::cuda::band_phase));
  m.impl("turn_phase", TORCH_BOX(&phasenet::cuda::turn_phase));
  m.impl("turn_phase_push", TORCH_BOX(&phasenet::cuda::turn_phase_push));
}
