// Launches of the kernels that take the gradient of small frames' windows back to the frames.
#pragma once

#include "cosine_adjoint.cuh"
#include "cosine_launches.cuh"
#include "gradient_walk.cuh"
#include "square_adjoint.cuh"
#include "square_launches.cuh"
#include "square_sums.cuh"
#include "workspace.h"

namespace phasenet::cuda {

// From the windows' gradients to those of the coefficients of each level, `out`.
inline void walk_levels(
    const Launch& launch,
    const std::vector<Planes<float>>& levels,
    const std::vector<Walk>& walks,
    const PhaseOptions& options,
    const Tensor& videos,
    const std::vector<Tensor>& grads,
    const std::vector<Complex<float>*>& out) {
  const int64_t length = videos.size(1);
  std::vector<GradientLevel> given;
  for (size_t i = 0; i < levels.size(); ++i) {
    const Planes<float>& planes = levels[i];
    given.push_back(
        {planes.phase,
         planes.amplitude,
         grads[i].const_data_ptr<float>(),
         out[i],
         WindowShape(options, length, planes),
         walks[i],
         planes.h,
         planes.w,
         planes.nbands});
  }
  const auto bytes = [&](const GradientLevel& level) {
    return gradient_bytes(level.walk, level.shape.num_phase, level.h, level.w);
  };
  // Planes of 48 x 48 and of 24 x 24 are walked along together.
  GradientLevel whole{}, half{};
  const auto groups = [&](const GradientLevel& level) {
    return blocks_for(videos.size(0) * level.nbands, level.walk.planes);
  };
  whole.walk.planes = half.walk.planes = 1;
  for (const GradientLevel& level : given) {
    if (level.h == 48 && level.w == 48) {
      whole = level;
    } else if (level.h == 24 && level.w == 24) {
      half = level;
    } else {
      launch(
          walk_gradients,
          level.walk.blocks(),
          dim3(kGradientThreads),
          bytes(level),
          level,
          options.only_down);
    }
  }
  const int64_t together = groups(whole) + groups(half);
  if (together == 0) {
    return;
  }
  const int64_t run = frames_of_run(together, length, launch.multiprocessors(), kFramesAround);
  for (GradientLevel* level : {&whole, &half}) {
    level->walk.run = static_cast<int>(run);
    level->walk.runs = blocks_for(length, run);
    level->walk.units = videos.size(0) * level->nbands * level->walk.runs;
  }
  launch(
      levels[0].in_blocks ? walk_square_gradients<true> : walk_square_gradients<false>,
      whole.walk.blocks() + half.walk.blocks(),
      dim3(kSquareGradientThreads),
      std::max(whole.nbands > 0 ? bytes(whole) : 0, half.nbands > 0 ? bytes(half) : 0),
      whole,
      half,
      options.only_down);
}

// Whether walk_square_clamps and sum_squares take all levels: of frames of squares, on devices that
// walk along squares.
inline bool are_gradient_squares(
    const Launch& launch,
    const std::vector<Tensor>& grads,
    const Tensor& videos,
    const PhaseOptions& options,
    const CosinePlan& plan) {
  // Neighbours are read at once.
  const auto is_aligned = [](const Tensor& grad) {
    return reinterpret_cast<uintptr_t>(grad.const_data_ptr<float>()) % sizeof(Four<float>) == 0;
  };
  return videos.numel() > 0 && are_frames_of_squares(plan) && are_squares(videos, options) &&
         fits_squares(launch, walk_square_clamps) &&
         std::all_of(grads.begin(), grads.end(), is_aligned);
}

// Memory for the planes of a level, of side x side.
inline GradientSquares take_gradient_squares(
    Pieces& pieces, const Tensor& videos, const PhaseOptions& options, int64_t side) {
  const int64_t units = videos.size(0) * options.nbands, together = side == kSquare ? 1 : 4;
  const int64_t frames = blocks_for(units, together) * videos.size(1);
  GradientSquares level{};
  level.passes = pieces.take<uint32_t>(frames * options.num_phase * kSumThreads);
  level.means = pieces.take<float>(frames * options.num_phase * together);
  level.wraps = pieces.take<Four<Halves>>(frames * kFactorThreads);
  level.out = pieces.take<Complex<float>>(units * videos.size(1) * side * side);
  return level;
}

// From the windows' gradients to those of the coefficients of both levels, whose memory these are.
inline void launch_gradient_squares(
    const Launch& launch,
    const std::vector<Planes<float>>& levels,
    const std::vector<Tensor>& grads,
    const Tensor& videos,
    const PhaseOptions& options,
    GradientSquares& whole,
    GradientSquares& half) {
  const int64_t length = videos.size(1);
  walk_along_squares(
      launch,
      walk_square_clamps,
      levels,
      options,
      length,
      videos.size(0),
      whole,
      half,
      [&](GradientSquares& level, size_t i) { level.grads = grads[i].const_data_ptr<float>(); });
  launch(
      sum_squares,
      (whole.groups + half.groups) * length,
      dim3(kSumThreads),
      kSquareSumsBytes,
      whole,
      half);
}

// From the coefficients' gradients to those of `count` frames.
template <typename T>
void launch_adjoint(
    const Launch& launch,
    const CosinePlan& plan,
    const PhaseOptions& options,
    const T* tables,
    const std::vector<Complex<T>*>& grads,
    int64_t count,
    T* result) {
  CosineGrads<T> of{};
  std::copy(grads.begin(), grads.end(), of.of);
  launch(
      frames_by_cosines<T>,
      count,
      dim3(kAdjointThreads),
      adjoint_bytes<T>(plan),
      of,
      plan,
      tables,
      static_cast<int>((options.nbands - 1) % 4),
      result);
}

// From the gradients of both levels' coefficients to those of `count` frames of 48 x 48.
template <typename T>
void launch_square_adjoint(
    const Launch& launch,
    const T* tables,
    const Complex<T>* whole,
    const Complex<T>* half,
    int64_t count,
    T* result) {
  if constexpr (std::is_same_v<T, float>) {
    launch(
        frames_of_squares,
        count,
        dim3(kPlaneThreads),
        kSquareAdjointBytes,
        whole,
        half,
        reinterpret_cast<const Four<Halves>*>(tables),
        result);
  }
}

}  // namespace phasenet::cuda
