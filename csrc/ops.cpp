// The schema of every operator, once. Each backend's files register their own implementations.
#include <torch/csrc/stable/library.h>

#include <string>

#include "cpu/kernels/kernels.h"

namespace {

std::string instruction_set() {
  return phasenet::instruction_set();
}

std::string instruction_sets() {
  return phasenet::instruction_sets();
}

}  // namespace

// Overloads `out` write into the given tensors, which are contiguous, of the results' shapes and
// dtypes, and share no memory with the inputs.
STABLE_TORCH_LIBRARY(phasenet, m) {
  // [..., H, W] -> highpass, one [..., nbands, h, w] per scale, of which each of the height - 2
  // octaves has bands_per_octave, lowpass. Only `parts` of these, by their numbers from 0, are
  // computed, and the others' sides are 0; all if it is empty. With `orientations` scales have
  // bands of these alone, in their order.
  m.def(
      "pyramid(Tensor images, int height, int nbands, int bands_per_octave=1, float width=1., "
      "int[] parts=[], int[] orientations=[]) -> Tensor[]");
  m.def(
      "pyramid.out(Tensor images, int height, int nbands, int bands_per_octave=1, "
      "float width=1., *, Tensor(a!)[] out) -> ()");
  m.def(
      "pyramid_backward(Tensor highpass_grad, Tensor[] band_grads, Tensor lowpass_grad, "
      "int bands_per_octave=1, float width=1., int[] parts=[], int nbands=0, "
      "int[] orientations=[]) -> Tensor");

  // The exact inverse; only the real parts of the bands carry what was real. Of tensors that are
  // not of `parts` nothing is read; the highpass still says the image's size. With `orientations`
  // bands are those of a pyramid of `nbands`, which they say themselves otherwise.
  m.def(
      "pyramid_inverse(Tensor highpass, Tensor[] bands, Tensor lowpass, int bands_per_octave=1, "
      "float width=1., int[] parts=[], int nbands=0, int[] orientations=[]) -> Tensor");
  m.def(
      "pyramid_inverse.out(Tensor highpass, Tensor[] bands, Tensor lowpass, "
      "int bands_per_octave=1, float width=1., *, Tensor(a!) out) -> ()");
  m.def(
      "pyramid_inverse_backward(Tensor grad, int height, int nbands, int bands_per_octave=1, "
      "float width=1., int[] parts=[], int[] orientations=[]) -> Tensor[]");

  // [..., T, H, W] -> one [..., windows, nbands * num_phase, h, w] per level, of dtype float16,
  // bfloat16, float32 or float64; without one, of the dtype that is computed in.
  m.def(
      "phase_difference_windows(Tensor frames, int num_phase, int height, int nbands, "
      "int[] levels, str unwrap, str boundary, ScalarType? dtype=None) -> Tensor[]");
  m.def(
      "phase_difference_windows.out(Tensor frames, int num_phase, int height, int nbands, "
      "int[] levels, str unwrap, str boundary, ScalarType? dtype=None, *, Tensor(a!)[] out) -> ()");
  m.def(
      "phase_difference_windows_backward(Tensor[] grads, Tensor frames, int num_phase, "
      "int height, int nbands, int[] levels, str unwrap, str boundary) -> Tensor");

  // The windows of a video frame by frame. The state of N streams of frames [N, H, W], to begin
  // with: for each level six tensors of planes and the windows that are not complete yet, [N,
  // num_phase, nbands * num_phase, h, w].
  m.def(
      "phase_stream_state(Tensor frames, int num_phase, int height, int nbands, int[] levels, "
      "ScalarType? dtype=None) -> Tensor[]");
  // Adds frame t, counted from 0, to each. A window lies in the slot of its number modulo
  // num_phase; it is complete with the frame num_phase (less num_phase // 2 if
  // boundary="replicate") after.
  m.def(
      "phase_stream_push(Tensor frames, Tensor(a!)[] state, int t, int num_phase, int height, "
      "int nbands, int[] levels, str unwrap, str boundary) -> ()");

  // Complex [...] -> real [...].
  m.def("band_phase(Tensor bands) -> Tensor");

  // Turns the phases of complex planes [..., h, w] by real turns of the same shape, averaged with
  // the amplitudes as weights under a Gaussian of standard deviation `smoothing`, in pixels.
  m.def("turn_phase(Tensor bands, Tensor turns, float smoothing) -> Tensor");
  // The next frame's planes, in place: the turns are what `filter`, second-order sections of five
  // numbers each (b0, b1, b2, a1, a2), makes of how far each phase has come, times `gain` and,
  // above 0, within `limit` (see turn_and_filter); with `still` less all that it has come. The
  // state [2 + 2 sections, ..., h, w] is zeros before the first frame, of which t is 0.
  m.def(
      "turn_phase_push(Tensor(a!) bands, Tensor(b!) state, int t, float[] filter, float gain, "
      "bool still, float smoothing, float limit=0.) -> ()");

  // The instruction set the CPU kernels run with on this machine.
  m.def("instruction_set() -> str");
  // Those it could run with, by commas.
  m.def("instruction_sets() -> str");
}

STABLE_TORCH_LIBRARY_IMPL(phasenet, CompositeExplicitAutograd, m) {
  m.impl("instruction_set", TORCH_BOX(&instruction_set));
  m.impl("instruction_sets", TORCH_BOX(&instruction_sets));
}
