// The gradient of the phase differences is not written for CUDA yet.
#include <torch/csrc/stable/library.h>

#include "operators.h"

namespace phasenet::cuda {

Tensor phase_difference_windows_backward(
    std::vector<Tensor> grads,
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary) {
  STD_TORCH_CHECK(
      false,
      "phase_difference_windows: this version has no gradient on CUDA; compute it on the CPU, or "
      "detach the frames");
  return frames;
}

}  // namespace phasenet::cuda
