// What the walk along squares of 48 x 48 keeps, of which level and where: its planes, its part of
// shared memory, its threads.
#pragma once
#include "polar.cuh"
#include "square_blur.cuh"
#include "window_tiles.cuh"

namespace phasenet::cuda {

constexpr int kWindowWarps = 12;  // the longest windows, P
constexpr int kSquareThreads = 32 * kWindowWarps;
// Threads whose 16 bytes of a square's right factors are the pairs of rows 2 q and 2 q + 1 of
// column r, of two groups of rows times two tiles' columns: [kRowGroups / 2, kTilesAcross / 2, 32].
constexpr int kFactorWarps = kRowGroups * kTilesAcross / 4, kFactorThreads = 32 * kFactorWarps;
constexpr int kSquareFours = kSquare * kSquare / 4;
constexpr int kParked = 4;  // halves of 16 x 16 values for which registers do not suffice
// Phases in shared memory are in units of 4 rad, so that a bit of a difference tells whether it is
// within 8 rad.
constexpr float kPhaseUnit = 4;

// After so many frames the wraps common to all windows are added to each: halves count to 2048.
constexpr int kCommonFrames = 64;

// Both as copies, which are read from memory by 16 bytes; of a reference each value would be.
__device__ __forceinline__ Four<Halves> sum_of(Four<Halves> one, Four<Halves> other) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    one.at[i] = add(one.at[i], other.at[i]);
  }
  return one;
}

// One level of some videos, a unit being a plane of one video along all frames.
struct SquareLevel {
  const float* phase;
  const float* amplitude;
  WindowShape shape;
  int64_t units, blocks;
  int64_t run;  // frames of a block
  int nbands;
  bool in_blocks;  // how planes lie, see Planes
  int groups;      // of units
};

// From where a unit's windows begin to the plane of one of them at frame `time`, in planes.
__device__ __forceinline__ int64_t
planes_to_window(const SquareLevel& level, int64_t window, int64_t time) {
  return window * (level.nbands * level.shape.num_phase - 1) + time;
}

constexpr int64_t kNowhere = INT64_MIN;

// In shared memory.
struct SquareMemory {
  // [kWindowWarps, kSquareTiles, 32]: of the last frame the denoised phases plus 2 pi B(a k) / B(a)
  Four<float>* fields;
  Four<float>* inverse;   // [kSquareTiles, 32]: B(a), then 2 pi / B(a), in kPhaseUnit as all phases
  Four<float>* denoised;  // B(a p), then the denoised phases
  // [kWindowWarps, kFactorThreads]: counted since a window's first frame; to them come, where
  // results are rounded to 16 bits, those common to all windows, [kFactorThreads].
  Four<Halves>*wraps, *common;
  // [2, kFactorThreads]: a times a power of two as right factors, of either of two tiles' columns.
  Four<Halves>* factors;
  Four<Halves>* weighted;  // a p, until it is blurred
  Four<float>* parked;     // in its place, [kWindowWarps, kParked, 32]: a window's first values
  Four<Halves>* blocks;    // of taps
  int64_t* origins;        // [4]: where the planes' first frames begin; others' where there is none
  int64_t* targets;        // [4]: where their windows begin, kNowhere where there is no plane
  int64_t* run;            // [2]: the frame of all groups' that the run has come to, and its end
  int64_t* place;          // of the planes' first frames among all groups'
  // The first that is walked along, the one behind the last, the one at hand, and that modulo P.
  int* frames;
  int* ages;        // [kWindowWarps]: of a warp's windows, in frames
  int* near;        // [kSquareThreads]: whether all of a thread's differences are below 8 rad
  uint32_t* peaks;  // [4, 16]: the largest amplitude of parts of each plane, as bits

  __device__ SquareMemory() {
    fields = shared_memory<Four<float>>();
    inverse = fields + kWindowWarps * kSquareFours;
    denoised = inverse + kSquareFours;
    wraps = reinterpret_cast<Four<Halves>*>(denoised + kSquareFours);
    common = wraps + kWindowWarps * kFactorThreads;
    factors = common + kFactorThreads;
    weighted = factors + 2 * kFactorThreads;
    parked = reinterpret_cast<Four<float>*>(weighted);
    blocks = reinterpret_cast<Four<Halves>*>(parked + kWindowWarps * kParked * 32);
    origins = reinterpret_cast<int64_t*>(blocks + kBlockFours);
    targets = origins + 4;
    run = targets + 4;
    place = run + 2;
    frames = reinterpret_cast<int*>(place + 1);
    ages = frames + 4;
    peaks = reinterpret_cast<uint32_t*>(ages + kWindowWarps);
    near = reinterpret_cast<int*>(peaks + 64);
  }
};

constexpr int kSquareSixteens = (kWindowWarps + 2) * kSquareFours +
                                (kWindowWarps + 3) * kFactorThreads + kWindowWarps * kParked * 32 +
                                kBlockFours;
static_assert(kWindowWarps * kParked * 32 >= 2 * kFactorThreads);
constexpr int64_t kSquareBytes =
    16 * kSquareSixteens + 8 * 11 + 4 * (4 + kWindowWarps + 64 + kSquareThreads);

// Which thread this is. Made where it is used: registers are scarce.
struct SquareThread {
  const int index = thread_index(), warp = index / 32, lane = index % 32;
  const int r = lane / 4, q = lane % 4;  // of factors and sums, see halves.cuh

  __device__ bool has_factors() const {
    return index < kFactorThreads;
  }
  // Of the four pairs of rows that it has.
  __device__ int group(int pair) const {
    return warp / 3 * 2 + pair / 2;
  }
  __device__ int tile(int pair) const {
    return warp % 3 * 2 + pair % 2;
  }
};

// How planes lie in a square.
template <int kSide>
struct SquarePlanes {
  static constexpr int count = (kSquare / kSide) * (kSquare / kSide);
  static constexpr int groups = kSide / 8;  // of a plane's rows, and tiles of its columns
  static constexpr int area = kSide * kSide;

  __device__ static bool is_first(int i) {
    return count == 1 || i < groups;
  }
  // Which of the planes has a group of rows and a tile of columns.
  __device__ static int at(int group, int n) {
    return (is_first(group) ? 0 : 2) + (is_first(n) ? 0 : 1);
  }
  // Which group or tile it is there.
  __device__ static int within(int i) {
    return is_first(i) ? i : i - groups;
  }
};

}  // namespace phasenet::cuda
