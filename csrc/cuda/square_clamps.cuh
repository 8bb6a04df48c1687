// The gradient of windows of planes of 48 x 48 and 24 x 24, first half: what square_walk.cuh makes
// says which differences were not clamped, and what comes back through these has a mean. Wraps are
// written too, as square_sums.cuh needs them.
#pragma once

#include "filters.cuh"
#include "square_walk.cuh"

namespace phasenet::cuda {

// A level of videos whose gradient is sought. Planes lie in blocks.
struct GradientSquares : SquareLevel {
  static constexpr bool is_gradient = true, is_short = false;
  const float* grads;   // of the windows
  uint32_t* passes;     // [groups, frames, P, kTilesDown, 32], see pass_bit
  float* means;         // [groups, frames, P, planes of a square]
  Four<Halves>* wraps;  // [groups, frames, kFactorThreads]: from the frame before
  Complex<float>* out;  // of the coefficients
};

// A lane's bit of a row of tiles, of its value `i` of tile `n`, says that this was not clamped.
__host__ __device__ constexpr uint32_t pass_bit(int n, int i) {
  return 1u << (n * 4 + i);
}
constexpr uint32_t kAllPass = (1u << (4 * kTilesAcross)) - 1;

// Calls visit(group, n, two neighbours of a window's gradient) for the 8 x 8 blocks of kGroups
// groups of rows from `first` on: columns 2 q and 2 q + 1 of row r of it. `targets` says where the
// planes' windows begin, and `to_window` how many planes behind.
template <int kSide, int kGroups, typename Visit>
__device__ __forceinline__ void for_grad_pairs(
    const GradientSquares& level,
    const int64_t* targets,
    int64_t to_window,
    int first,
    const Visit& visit) {
  using Planes = SquarePlanes<kSide>;
  const int lane = thread_index() % 32;
#pragma unroll
  for (int i = 0; i < kGroups; ++i) {
    const int group = first + i;
    const int64_t within =
        to_window * Planes::area + ((Planes::within(group) * 8 + lane / 4) * kSide + lane % 4 * 2);
    const float* from = nullptr;
#pragma unroll
    for (int n = 0; n < kTilesAcross; ++n) {
      if (Planes::within(n) == 0) {
        from = level.grads + targets[Planes::at(group, n)] + within;
      }
      visit(i, n, *reinterpret_cast<const Two<float>*>(from + Planes::within(n) * 8));
    }
  }
}

template <int kSide>
class SquareClamps {
 public:
  using Level = GradientSquares;

  __device__ explicit SquareClamps(const Level& level) : level_(level) {
  }

  __device__ __forceinline__ void finish(
      int t, int first, int last, int age, const SquareValues& values, bool clamps) const {
    uint32_t passes[kTilesDown] = {kAllPass, kAllPass, kAllPass};
    if (clamps) {  // rarely
#pragma unroll
      for (int m = 0; m < kTilesDown; ++m) {
        passes[m] = passing(values[m]);
      }
    }
    const SquareThread self;
    const int64_t place = (*memory_.place + t) * level_.shape.num_phase + age - 1;
    float sums[Planes::count] = {};
#pragma unroll 1  // one window, but for those at the video's begin
    for (int window = first; window <= last; ++window) {
      const int64_t to_window = planes_to_window(level_, window, t);
      clamps ? add_passing(to_window, passes, sums) : add_all(to_window, sums);
    }
#pragma unroll
    for (int m = 0; m < kTilesDown; ++m) {
      level_.passes[(place * kTilesDown + m) * 32 + self.lane] = passes[m];
    }
#pragma unroll
    for (int plane = 0; plane < Planes::count; ++plane) {
      float sum = sums[plane];
#pragma unroll
      for (int apart = 16; apart > 0; apart /= 2) {
        sum += __shfl_xor_sync(0xffffffffu, sum, apart);
      }
      if (self.lane == 0) {
        level_.means[place * Planes::count + plane] = sum * (1.0f / Planes::area);
      }
    }
  }

  // Nothing comes back through no difference.
  __device__ __forceinline__ void repeat(int) const {
  }

 private:
  using Planes = SquarePlanes<kSide>;

  // Bits of a row of tiles, of what lanes have by rows (for_grad_pairs): of each 16 x 16 values its
  // four blocks are with one lane each.
  __device__ __forceinline__ static uint32_t passing(const float (&values)[kTilesDown][2][4]) {
    const SquareThread self;
    uint32_t own = 0, result = 0;
#pragma unroll
    for (int i = 0; i < 8 * kTilesDown; ++i) {
      const int across = i / 8, row = i / 2 % 4, column = i % 2;
      const float value = values[across][row % 2][row / 2 + 2 * column];
      own |= std::fabs(value) <= kLimit<float> ? 1u << i : 0u;
    }
#pragma unroll
    for (int block = 0; block < 4; ++block) {
      const int down = block / 2, right = block % 2;
      const int lane = (right * 4 + self.q) * 4 + down * 2 + self.r / 4;
      const uint32_t theirs = __shfl_sync(0xffffffffu, own, lane) >> self.r % 4 * 2;
#pragma unroll
      for (int across = 0; across < kTilesDown; ++across) {
        result |= (theirs >> across * 8 & 3u) * pass_bit(2 * across + right, 2 * down);
      }
    }
    return result;
  }

  // Of a window's gradient, by planes.
  __device__ __forceinline__ void add_all(int64_t to_window, float (&sums)[Planes::count]) const {
    constexpr int fours = Planes::area / 4;
    const int lane = SquareThread().lane;
#pragma unroll
    for (int plane = 0; plane < Planes::count; ++plane) {
      const float* from = level_.grads + memory_.targets[plane] + to_window * Planes::area;
#pragma unroll
      for (int at = 0; at < fours; at += 32) {
        if (fours % 32 == 0 || at + lane < fours) {
          const Four<float> grads = reinterpret_cast<const Four<float>*>(from)[at + lane];
          sums[plane] += (grads.at[0] + grads.at[1]) + (grads.at[2] + grads.at[3]);
        }
      }
    }
  }

  // Of what was not clamped.
  __device__ __forceinline__ void add_passing(
      int64_t to_window, const uint32_t (&passes)[kTilesDown], float (&sums)[Planes::count]) const {
    for_grad_pairs<kSide, kRowGroups>(
        level_, memory_.targets, to_window, 0, [&](int group, int n, Two<float> grads) {
#pragma unroll
          for (int i = 0; i < 2; ++i) {
            const bool pass = (passes[group / 2] & pass_bit(n, group % 2 * 2 + i)) != 0;
            sums[Planes::at(group, n)] += pass ? grads.at[i] : 0.0f;
          }
        });
  }

  const Level& level_;
  const SquareMemory memory_;
};

static __global__ void __launch_bounds__(kSquareThreads, 1)
    walk_square_clamps(GradientSquares whole, GradientSquares half, bool only_down) {
  // As `fits_squares` says: others have less shared memory, and on sm_100 registers do not suffice.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ == 900
  const int64_t block = blockIdx.x;
  if (block < whole.blocks) {
    SquareWalk<kSquare, SquareClamps<kSquare>>(whole).run(block, only_down);
  } else {
    SquareWalk<kSquare / 2, SquareClamps<kSquare / 2>>(half).run(block - whole.blocks, only_down);
  }
#endif
}

}  // namespace phasenet::cuda
