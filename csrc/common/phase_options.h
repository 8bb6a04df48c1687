// The options of the phase operators, checked and read: the same for every backend.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "coefficients.h"

namespace phasenet {

struct PhaseOptions {
  int64_t num_phase;
  int64_t height;
  int64_t nbands;
  std::vector<int64_t> levels;
  bool only_down;  // unwrap="published"
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

constexpr int64_t kMostPhases = 1 << 16;  // as in phasenet/checks.py

// Checks what the schema cannot and reads the two options given as words.
inline PhaseOptions phase_options(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    const std::string& unwrap,
    const std::string& boundary) {
  constexpr const char* op = "phasenet::phase_difference_windows";
  STD_TORCH_CHECK(frames.dim() >= 3, op, ": frames: expected shape [..., T, H, W]");
  const Size size = image_size(frames);
  const auto twice = [](int64_t side) { return 2 * std::min(side, kMostPixels); };
  check_pyramid(op, {twice(size.h), twice(size.w)}, height, nbands);
  STD_TORCH_CHECK(nbands >= 2, op, ": nbands: expected at least 2, got ", nbands);
  STD_TORCH_CHECK(
      num_phase >= 1 && num_phase <= kMostPhases,
      op,
      ": num_phase: expected at least 1 and at most 2^16, got ",
      num_phase);
  STD_TORCH_CHECK(!levels.empty(), op, ": levels: expected at least one");
  // Each once, which also bounds how many there are.
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t level = levels[i];
    STD_TORCH_CHECK(level >= 1 && level <= height - 2, op, ": levels: no level ", level);
    const auto here = levels.begin() + static_cast<int64_t>(i);
    STD_TORCH_CHECK(
        std::find(levels.begin(), here, level) == here, op, ": levels: twice level ", level);
  }
  // "reference" is an older name of "published".
  const bool only_down = unwrap == "published" || unwrap == "reference";
  STD_TORCH_CHECK(unwrap == "full" || only_down, op, ": unwrap: unknown ", unwrap);
  STD_TORCH_CHECK(
      boundary == "replicate" || boundary == "valid", op, ": boundary: unknown ", boundary);
  const bool replicate = boundary == "replicate";
  STD_TORCH_CHECK(
      replicate || frames.size(frames.dim() - 3) > num_phase,
      op,
      ": frames: expected at least num_phase + 1 frames for boundary='valid'");
  return {num_phase, height, nbands, std::move(levels), only_down, replicate};
}

// The windows of frames [..., T, H, W] at each level, [..., windows, nbands * num_phase, h, w].
inline std::vector<TensorSpec> window_specs(
    const Tensor& frames, const PhaseOptions& options, ScalarType dtype) {
  const Size size = image_size(frames);
  const std::vector<Size> sizes = level_sizes({2 * size.h, 2 * size.w}, options.height);
  const int64_t windows = options.windows(frames.size(frames.dim() - 3));
  std::vector<TensorSpec> specs;
  for (const int64_t level : options.levels) {
    std::vector<int64_t> shape = leading(frames, 3);
    const Size plane{sizes[level - 1].h / 2, sizes[level - 1].w / 2};
    shape.insert(shape.end(), {windows, options.nbands * options.num_phase, plane.h, plane.w});
    specs.push_back({std::move(shape), dtype});
  }
  return specs;
}

constexpr const char* kWindowsBackward = "phasenet::phase_difference_windows_backward";

// One gradient per level, beside the frames, and frames that can have one.
inline void check_grads(
    const std::vector<Tensor>& grads, const Tensor& frames, const PhaseOptions& options) {
  STD_TORCH_CHECK(
      grads.size() == options.levels.size() && frames.scalar_type() != ScalarType::Byte,
      kWindowsBackward,
      ": expected one gradient per level and frames of a floating dtype");
  for (const Tensor& grad : grads) {
    STD_TORCH_CHECK(
        same_device(grad, frames), kWindowsBackward, ": grads: expected the device of the frames");
  }
}

// A level's gradient has the shape and dtype of the windows [..., T, bands, num_phase, h, w] of
// `videos` videos of `frames` frames.
inline void check_grad(
    const Tensor& grad,
    const PhaseOptions& options,
    int64_t videos,
    int64_t frames,
    Size plane,
    ScalarType dtype) {
  const int64_t windows = videos * options.windows(frames);
  const Size size = grad.dim() >= 4 ? image_size(grad) : Size{-1, -1};
  STD_TORCH_CHECK(
      grad.scalar_type() == dtype && size.h == plane.h && size.w == plane.w &&
          is_product(grad.numel(), {windows, options.nbands * options.num_phase, plane.area()}),
      kWindowsBackward,
      ": grads: expected the shapes and dtype of the outputs");
}

}  // namespace phasenet
