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
      int t, int first, int last, int, SquareValues& values, bool clamps) const {
    if (clamps) {  // rarely
      for_sixteens([&](int down, int across) {
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          float& value = values[down][across][i / 4][i % 4];
          value = clamped(value);
        }
      });
    }
    put(last, t, values);
    __syncwarp();
    if (first < last) {  // these begin before the video, too
      copy(first, last, t);
    }
  }

  // No difference. A warp has some of the windows.
  __device__ __forceinline__ void repeat(int t) const {
    const SquareThread self;
    WindowShape shape = level_.shape;  // of which nothing is kept for these few frames
    shape.length = anew(shape.length);
    shape.windows = anew(shape.windows);
    shape.num_phase = anew(shape.num_phase);
    shape.shift = anew(shape.shift);
    const auto clear = [&](int64_t window, int64_t time) {
      for (int plane = 0; plane < Planes::count && exists(plane); ++plane) {
        auto* out = reinterpret_cast<Two<Out>*>(target(plane, window, time));
        for (int i = self.lane; i < Planes::area / 2; i += 32) {
          store_once(out + i, {{Out(0), Out(0)}});
        }
      }
    };
    for_repeats(shape, t, clear, self.warp, kWindowWarps);
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

  __device__ __forceinline__ void put(int window, int time, const SquareValues& values) const {
    const SquareThread self;
    Out* out = target(0, window, time) + self.q * 4 * kSide + self.r * 2;
    for_sixteens([&](int down, int across) {
      Out* to = out + (down * kSide + across) * 16;
      if (Planes::count > 1) {
        const int plane = plane_of<kSide>(self, down, across);
        if (!exists(plane)) {
          return;
        }
        const int y = Planes::within(2 * down + self.q / 2) * 8 + self.q % 2 * 4;
        const int x = Planes::within(2 * across + self.r / 4) * 8 + self.r % 4 * 2;
        to = target(plane, window, time) + y * kSide + x;
      }
#pragma unroll
      for (int row = 0; row < 4; ++row) {
        const float (&pairs)[4] = values[down][across][row % 2];
        store_once(
            reinterpret_cast<Two<Out>*>(to + row * kSide),
            rounded_pair<Out>(pairs[row / 2], pairs[row / 2 + 2]));
      }
    });
  }

  // What the warp has put into window `last`, into those before it from `first` on.
  __device__ __forceinline__ void copy(int first, int last, int time) const {
    const int64_t apart = planes_to_window(level_, 1, 0) * (Planes::area / 2);
    for (int plane = 0; plane < Planes::count && exists(plane); ++plane) {
      auto* from = reinterpret_cast<Two<Out>*>(target(plane, last, time));
      for (int i = SquareThread().lane; i < Planes::area / 2; i += 32) {
        auto* out = from + i;
        const Two<Out> values = *out;
        for (int window = last; window > first; --window) {
          out -= apart;
          store_once(out, values);
        }
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
