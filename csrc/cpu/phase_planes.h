// Per-frame phase planes of a batch of videos: the part of the work that windows share.
#pragma once

#include <string>

#include "kernels/kernels.h"
#include "pyramid.h"

namespace phasenet {

struct PhaseOptions {
  int64_t num_phase;
  int64_t height;
  int64_t nbands;
  std::vector<int64_t> levels;
  bool only_down;  // unwrap="reference"
  bool replicate;  // boundary="replicate", else "valid"

  int64_t windows(int64_t frames) const {
    return replicate ? frames : frames - num_phase;
  }

  // Frame i of window `window`, 0 <= i <= num_phase, in a video of `frames` frames.
  int64_t frame(int64_t window, int64_t i, int64_t frames) const {
    const int64_t t = window + i - (replicate ? num_phase / 2 : 0);
    return t < 0 ? 0 : (t >= frames ? frames - 1 : t);
  }
};

// Checks what the schema cannot and reads the two options given as words.
PhaseOptions phase_options(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    const std::string& unwrap,
    const std::string& boundary);

// One level's planes of every frame, each [N * T, nbands, h, w].
template <typename T>
struct LevelPlanes {
  Size size;  // the quarter of the mirrored band that is kept
  Tensor phase, amplitude, denoised, inverse;
  Tensor jumps;  // int8, from frame t - 1 to t; that of a video's first frame is not used

  int64_t stride(int64_t nbands) const {
    return nbands * size.area();
  }
};

// Scratch of one thread, reused by all of its planes.
template <typename T>
std::vector<T> kernel_scratch(Size size) {
  return std::vector<T>(kernels<T>().scratch_size(size.h, size.w));
}

template <typename T>
WindowFrame<T> window_frame(
    const LevelPlanes<T>& planes,
    const PhaseOptions& options,
    int64_t frame,
    int64_t band,
    bool repeated) {
  const int64_t offset = frame * planes.stride(options.nbands) + band * planes.size.area();
  return {
      planes.amplitude.template const_data_ptr<T>() + offset,
      planes.denoised.template const_data_ptr<T>() + offset,
      planes.inverse.template const_data_ptr<T>() + offset,
      repeated ? nullptr : planes.jumps.template const_data_ptr<int8_t>() + offset};
}

// Frames [N, T, H, W] to the planes of every level asked for. Each frame is transformed once.
template <typename T>
std::vector<LevelPlanes<T>> phase_planes(const Tensor& frames, const PhaseOptions& options);

}  // namespace phasenet
