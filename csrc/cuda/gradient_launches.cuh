// Launches of the kernels that take the gradient of small frames' windows back to the frames.
#pragma once

#include "cosine_adjoint.cuh"
#include "cosine_launches.cuh"
#include "gradient_walk.cuh"

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
      walk_square_gradients,
      whole.walk.blocks() + half.walk.blocks(),
      dim3(kSquareGradientThreads),
      std::max(whole.nbands > 0 ? bytes(whole) : 0, half.nbands > 0 ? bytes(half) : 0),
      whole,
      half,
      options.only_down);
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
  auto* kernel = frames_by_cosines<T>;
  if constexpr (std::is_same_v<T, float>) {
    const auto is = [&](int i, int number) {
      const CosineLevel& level = plan.levels[i];
      return level.y.frame == 48 && level.x.frame == 48 && level.number == number;
    };
    if (plan.nbands == 2 && plan.count == 2 && is(0, 1) && is(1, 2)) {
      kernel = square_frames_by_cosines<T>;
    }
  }
  launch(
      kernel,
      count,
      dim3(kAdjointThreads),
      adjoint_bytes<T>(plan),
      of,
      plan,
      tables,
      static_cast<int>((options.nbands - 1) % 4),
      result);
}

}  // namespace phasenet::cuda
