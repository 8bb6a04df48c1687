// Per-frame phase planes of a batch of videos: the part of the work that windows share.
#pragma once

#include <string>

#include "pyramid.h"
#include "scratch.h"

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

// One level's planes of every frame, [N * T, nbands, h, w], flat, with the kernels' slack behind.
template <typename T>
struct LevelPlanes {
  Size size;  // the quarter of the mirrored band that is kept
  int64_t nbands;
  Tensor phase, amplitude, denoised, inverse;
  Tensor jumps;      // int8, from frame t - 1 to t; that of a video's first frame is not used
  Tensor jump_rows;  // int32 [N * T, nbands, 2]: the rows that hold jumps

  int64_t offset(int64_t frame, int64_t band) const {
    return (frame * nbands + band) * size.area();
  }
};

// A flat tensor of `planes` planes and the kernels' slack.
inline Tensor empty_planes(int64_t planes, Size size, ScalarType dtype) {
  return empty_cpu({planes * size.area() + kPlaneSlack}, dtype);
}

template <typename T>
WindowFrame<T> window_frame(
    const LevelPlanes<T>& planes, int64_t frame, int64_t band, bool repeated) {
  const int64_t offset = planes.offset(frame, band);
  const int32_t* rows =
      planes.jump_rows.template const_data_ptr<int32_t>() + 2 * (frame * planes.nbands + band);
  return {
      planes.amplitude.template const_data_ptr<T>() + offset,
      planes.denoised.template const_data_ptr<T>() + offset,
      planes.inverse.template const_data_ptr<T>() + offset,
      repeated ? nullptr : planes.jumps.template const_data_ptr<int8_t>() + offset,
      rows[0],
      rows[1]};
}

// The frames of one window of one band, in order.
template <typename T>
void fill_window(
    const LevelPlanes<T>& planes,
    const PhaseOptions& options,
    int64_t video,
    int64_t length,
    int64_t window,
    int64_t band,
    std::vector<WindowFrame<T>>& frames) {
  int64_t before = -1;
  for (int64_t i = 0; i <= options.num_phase; ++i) {
    const int64_t t = options.frame(window, i, length);
    const bool repeated = t == before || i == 0;
    frames[i] = window_frame(planes, video * length + t, band, repeated);
    before = t;
  }
}

// Frames [N, T, H, W] to the planes of every level asked for. Each frame is transformed once.
template <typename T>
std::vector<LevelPlanes<T>> phase_planes(const Tensor& frames, const PhaseOptions& options);

}  // namespace phasenet
