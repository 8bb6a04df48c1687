// How planes are shared out to the blocks of window_walk.cuh, and where a block keeps what.
#pragma once

#include "window_tiles.cuh"

namespace phasenet::cuda {

// Threads of a block: a plane of 48 x 48, or four of 24 x 24. Doubles take more registers.
template <typename T>
constexpr int kWalkers = sizeof(T) == 4 ? 288 : 192;
// Fields between barriers; they lend their memory to denoising, which takes three.
constexpr int kTogether = 3;

// How a level's planes are shared out. A unit is a plane of one video along a run of frames.
struct Walk {
  int lanes;   // threads of a plane: kRun rows of a column each
  int planes;  // units of a block
  int run;     // frames of a unit
  int64_t runs, units;

  __host__ __device__ int64_t blocks() const {
    return (units + planes - 1) / planes;
  }
};

// Where things lie in shared memory, in elements of T, then in words.
struct WalkMemory {
  int spread, spread_stride, spread_plane;  // [planes, kTogether, rows, columns], spread along x
  int amplitude;                            // [planes, h, columns]
  int partial;                              // [kTogether, kWalkers]: sums of a thread's values
  int means;                                // [planes, kTogether]
  int elements;
  int words, down, last;  // [num_phase, kRun, words] of up, of down; [planes]
  int all_words;
};

template <typename T>
__host__ __device__ WalkMemory walk_memory(int planes, int num_phase, int height, int width) {
  WalkMemory m{};
  m.spread = (num_phase - 1) * kRun * kWalkers<T>;  // before it F(t - 1, i), i = 1 ... P - 1
  m.spread_stride = (width + 2 * kReach) | 1;
  m.spread_plane = ((height + kRun - 1) / kRun * kRun + 2 * kReach) * m.spread_stride;
  m.amplitude = m.spread + padded4(planes * kTogether * m.spread_plane);
  m.partial = m.amplitude + padded4(planes * height * m.spread_stride);
  m.means = m.partial + kTogether * kWalkers<T>;
  m.elements = m.means + planes * kTogether;
  m.words = kWalkers<T> / 32 + 1;  // and one that may be read beyond the last
  m.down = num_phase * kRun * m.words;
  m.last = 2 * m.down;
  m.all_words = m.last + planes;
  return m;
}

template <typename T>
int64_t walk_bytes(const Walk& walk, int num_phase, int height, int width) {
  const WalkMemory m = walk_memory<T>(walk.planes, num_phase, height, width);
  return m.elements * static_cast<int64_t>(sizeof(T)) + m.all_words * int64_t{4};
}

// Frames of a run, of `count` planes along `length` frames, with the fewest steps where `at_once`
// go at once. A multiprocessor has one block at a time; a run costs `around` steps more than it has
// frames.
inline int64_t frames_of_run(int64_t count, int64_t length, int64_t at_once, int64_t around) {
  int64_t least = 0, best = length;
  for (int64_t waves = 1; waves <= 8; ++waves) {
    const int64_t runs = std::min(std::max<int64_t>(1, waves * at_once / count), length);
    const int64_t run = blocks_for(length, runs);
    const int64_t steps = blocks_for(count * blocks_for(length, run), at_once) * (run + around);
    if (least == 0 || steps < least) {
      least = steps;
      best = run;
    }
  }
  return best;
}

// How the planes of each of the options' levels are walked along, by blocks of threads(h, w) and
// with bytes(walk, num_phase, h, w) of shared memory; none where one of them is too large for it.
template <typename T>
std::vector<Walk> walks_of(
    const Launch& launch,
    const Tensor& videos,
    const PhaseOptions& options,
    int (*threads)(int, int) = [](int, int) { return kWalkers<T>; },
    int64_t (*bytes)(const Walk&, int, int, int) = walk_bytes<T>,
    int64_t around = 1) {
  const int64_t length = videos.size(1), count = videos.size(0) * options.nbands;
  constexpr int64_t most = int64_t{1} << 30;
  if (count == 0 || length == 0 || length > most || options.num_phase > 64) {
    return {};
  }
  const Size frame = image_size(videos);
  const auto sizes = level_sizes({2 * frame.h, 2 * frame.w}, options.height);
  std::vector<Walk> walks;
  for (const int64_t level : options.levels) {
    const Size size{sizes[level - 1].h / 2, sizes[level - 1].w / 2};
    const int64_t lanes = blocks_for(size.h, kRun) * size.w;
    const int most_lanes = threads(static_cast<int>(size.h), static_cast<int>(size.w));
    if (lanes > most_lanes ||
        options.nbands * options.num_phase > most / std::max<int64_t>(1, size.area())) {
      return {};
    }
    Walk walk{};
    walk.lanes = static_cast<int>(lanes);
    walk.planes = static_cast<int>(most_lanes / std::max<int64_t>(1, lanes));
    const auto fits = [&] {
      return bytes(
                 walk,
                 static_cast<int>(options.num_phase),
                 static_cast<int>(size.h),
                 static_cast<int>(size.w)) <= launch.shared_limit();
    };
    while (walk.planes > 1 && !fits()) {
      --walk.planes;
    }
    if (!fits()) {
      return {};
    }
    const int64_t at_once = launch.multiprocessors() * walk.planes;
    walk.run = static_cast<int>(frames_of_run(count, length, at_once, around));
    walk.runs = blocks_for(length, walk.run);
    walk.units = count * walk.runs;
    walks.push_back(walk);
  }
  return walks;
}

}  // namespace phasenet::cuda
