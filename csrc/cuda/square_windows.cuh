// Windows of planes of 48 x 48 and 24 x 24: what square_walk.cuh makes, clamped and written.
#pragma once

#include "square_walk.cuh"

namespace phasenet::cuda {

template <typename Out>
struct WindowSquares : SquareLevel {
  static constexpr bool is_gradient = false;
  Out* out;
};

template <int kSide, typename Out>
class SquareWindows {
 public:
  using Level = WindowSquares<Out>;

  __device__ explicit SquareWindows(const Level& level) : level_(level) {
  }

  __device__ __forceinline__ void finish(
      int t, int age, float (&values)[kSquareTiles][4], bool clamps) const {
    if (clamps) {  // rarely
#pragma unroll
      for (auto& tile : values) {
#pragma unroll
        for (float& value : tile) {
          value = clamped(value);
        }
      }
    }
    const int first = static_cast<int>(level_.shape.first_window(t, age));
    const int last = static_cast<int>(level_.shape.last_window(t, age));
    if (first > last) {
      return;
    }
    put(last, t, values);
    __syncwarp();
    for (int window = first; window < last; ++window) {  // that begin before the video, too
      copy(last, window, t);
    }
  }

  // No difference.
  __device__ __forceinline__ void repeat(int t) const {
    for_repeats(level_.shape, t, [&](int64_t window, int64_t time) {
      for (int plane = 0; plane < Planes::count && exists(plane); ++plane) {
        auto* out = reinterpret_cast<Two<Out>*>(target(plane, window, time));
        for (int i = thread_index(); i < Planes::area / 2; i += kSquareThreads) {
          store_once(out + i, {{Out(0), Out(0)}});
        }
      }
    });
  }

 private:
  using Planes = SquarePlanes<kSide>;

  __device__ __forceinline__ Out* target(int plane, int64_t window, int64_t time) const {
    return level_.out + memory_.targets[plane] +
           planes_to_window(level_, window, time) * Planes::area;
  }
  __device__ bool exists(int plane) const {
    return Planes::count == 1 || memory_.targets[plane] != kNowhere;
  }

  __device__ __forceinline__ void put(
      int window, int time, const float (&values)[kSquareTiles][4]) const {
    const SquareThread self;
#pragma unroll
    for (int plane = 0; plane < Planes::count; ++plane) {
      if (!exists(plane)) {
        continue;
      }
      Out* out = target(plane, window, time) + self.r * kSide + self.q * 2;
#pragma unroll
      for (int tile = 0; tile < kSquareTiles; ++tile) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int group = tile / kTilesAcross * 2 + half, n = tile % kTilesAcross;
          if (Planes::at(group, n) == plane) {
            store_once(
                reinterpret_cast<Two<Out>*>(
                    out + Planes::within(group) * 8 * kSide + Planes::within(n) * 8),
                rounded_pair<Out>(values[tile][2 * half], values[tile][2 * half + 1]));
          }
        }
      }
    }
  }

  // What the warp has put into a window, into another.
  __device__ __forceinline__ void copy(int from, int to, int time) const {
    for (int plane = 0; plane < Planes::count && exists(plane); ++plane) {
      const auto* source = reinterpret_cast<const Two<Out>*>(target(plane, from, time));
      auto* out = reinterpret_cast<Two<Out>*>(target(plane, to, time));
      for (int i = SquareThread().lane; i < Planes::area / 2; i += 32) {
        store_once(out + i, source[i]);
      }
    }
  }

  const Level& level_;
  const SquareMemory memory_;
};

template <typename Out>
__global__ void __launch_bounds__(kSquareThreads, 1)
    walk_squares(WindowSquares<Out> whole, WindowSquares<Out> half, bool only_down) {
  // As `fits_squares` says: others have less shared memory, and on sm_100 registers do not suffice.
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ == 900
  const int64_t block = blockIdx.x;
  if (block < whole.blocks) {
    SquareWalk<kSquare, SquareWindows<kSquare, Out>>(whole).run(block, only_down);
  } else {
    SquareWalk<kSquare / 2, SquareWindows<kSquare / 2, Out>>(half).run(
        block - whole.blocks, only_down);
  }
#endif
}

}  // namespace phasenet::cuda
