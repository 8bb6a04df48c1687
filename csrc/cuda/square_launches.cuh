// How the planes of squares are shared out to the blocks that walk along them (square_walk.cuh).
#pragma once

#include <algorithm>

#include "square_walk.cuh"

namespace phasenet::cuda {

// Whether all levels' planes are of 48 x 48 or 24 x 24, and windows are no longer than warps
// follow.
inline bool are_squares(const Tensor& videos, const PhaseOptions& options) {
  const Size frame = image_size(videos);
  const auto sizes = level_sizes({2 * frame.h, 2 * frame.w}, options.height);
  const auto is_square = [&](int64_t level) {
    const Size size = sizes[level - 1];
    return size.h == size.w && (size.h == 2 * kSquare || size.h == kSquare);
  };
  return videos.size(1) <= (int64_t{1} << 30) && options.num_phase <= kWindowWarps &&
         std::all_of(options.levels.begin(), options.levels.end(), is_square);
}

// Whether a device takes a kernel that walks along squares.
template <typename... Parameters>
bool fits_squares(const Launch& launch, void (*kernel)(Parameters...)) {
  return kSquareBytes <= launch.shared_limit() && launch.compiled_for(kernel) == 90;
}

// Planes of 48 x 48 and those of 24 x 24, to blocks that have equally many frames. A multiprocessor
// has one block at a time; a run costs a step more than it has frames.
inline void share_out(const Launch& launch, int64_t length, SquareLevel& whole, SquareLevel& half) {
  const auto blocks = [&](int64_t run) {
    return blocks_for(whole.groups * length, run) + blocks_for(half.groups * length, run);
  };
  int64_t run = 1, least = 0;
  for (int64_t waves = 1; waves <= 8; ++waves) {
    // Both levels' last runs are shorter: one block more.
    const int64_t most = std::max<int64_t>(1, waves * launch.multiprocessors() - 1);
    const int64_t frames = blocks_for((whole.groups + half.groups) * length, most);
    const int64_t steps = blocks_for(blocks(frames), launch.multiprocessors()) * (frames + 1);
    if (least == 0 || steps < least) {
      least = steps;
      run = frames;
    }
  }
  for (SquareLevel* level : {&whole, &half}) {
    level->run = run;
    level->blocks = blocks_for(level->groups * length, run);
  }
}

// Launches a kernel that walks along the planes of `count` videos, of one or both sizes; what their
// levels need besides these, complete(level, its number among the options') adds.
template <typename Level, typename Complete>
void walk_along_squares(
    const Launch& launch,
    void (*kernel)(Level, Level, bool),
    const std::vector<Planes<float>>& levels,
    const PhaseOptions& options,
    int64_t length,
    int64_t count,
    Level& whole,
    Level& half,
    const Complete& complete) {
  for (size_t i = 0; i < levels.size(); ++i) {
    const Planes<float>& planes = levels[i];
    Level& level = planes.h == kSquare ? whole : half;
    level.phase = planes.phase;
    level.amplitude = planes.amplitude;
    level.shape = WindowShape(options, length, planes);
    level.nbands = planes.nbands;
    level.in_blocks = planes.in_blocks;
    level.units = count * planes.nbands;
    level.groups = static_cast<int>(blocks_for(level.units, planes.h == kSquare ? 1 : 4));
    complete(level, i);
  }
  share_out(launch, length, whole, half);
  launch(
      kernel,
      whole.blocks + half.blocks,
      dim3(kSquareThreads),
      kSquareBytes,
      whole,
      half,
      options.only_down);
}

}  // namespace phasenet::cuda
