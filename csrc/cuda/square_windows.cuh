// Windows of planes of 48 x 48 and 24 x 24: what square_walk.cuh makes, clamped and written.
#pragma once

#include "square_walk.cuh"

namespace phasenet::cuda {

// What walk_squares writes at once.
template <typename Out>
using Piece = std::conditional_t<sizeof(Out) == 2, Four<float>, Two<Out>>;

template <typename Out>
struct WindowSquares : SquareLevel {
  static constexpr bool is_gradient = false;
  static constexpr bool is_short = sizeof(Out) == 2;  // see ShortBlocks
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
        auto* out = reinterpret_cast<Piece<Out>*>(target(plane, window, time));
        for (int i = self.lane; i < kPieces; i += 32) {
          store_once(out + i, Piece<Out>{});
        }
      }
    };
    for_repeats(shape, t, clear, self.warp, kWindowWarps);
  }

 private:
  using Planes = SquarePlanes<kSide>;
  static constexpr int kPieces = Planes::area * sizeof(Out) / sizeof(Piece<Out>);  // of a plane

  __device__ __forceinline__ Out* target(int plane, int64_t window, int64_t time) const {
    return level_.out + memory_.targets[plane] +
           planes_to_window(level_, window, time) * Planes::area;
  }
  __device__ bool exists(int plane) const {
    return Planes::count == 1 || memory_.targets[plane] != kNowhere;
  }

  __device__ __forceinline__ void put(int window, int time, const SquareValues& values) const {
    if constexpr (Level::is_short) {
      return put_short(window, time, values);
    }
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

  // By 16 rows through shared memory, from where lanes write 16 bytes beside each other. A lane has
  // pieces of three lines of 128 bytes there; in line n the four pieces of 32 bytes are rotated
  // by n, so that no two lanes are in the same bank.
  __device__ __forceinline__ void put_short(
      int window, int time, const SquareValues& values) const {
    const SquareThread self;
    Four<float>* staged = memory_.parked + self.warp * kParked * 32;
    Two<Out>* to = reinterpret_cast<Two<Out>*>(staged) + self.q * 96 + self.r;
    const Four<float>* from =
        staged + self.lane / 8 * 8 + (self.lane / 2 + self.lane / 8) % 4 * 2 + self.lane % 2;
    Out* out = level_.out + planes_to_window(level_, window, time) * Planes::area;
    __syncwarp();  // what was parked there has been read
#pragma unroll
    for (int down = 0; down < kTilesDown; ++down) {
#pragma unroll
      for (int row = 0; row < 4; ++row) {
#pragma unroll
        for (int across = 0; across < kTilesDown; ++across) {
          const int piece = row * kTilesDown + across, line = piece / 4;
          const float (&pairs)[4] = values[down][across][row % 2];
          to[line * 32 + (piece + line + 3 * self.q) % 4 * 8] =
              rounded_pair<Out>(pairs[row / 2], pairs[row / 2 + 2]);
        }
      }
      __syncwarp();
#pragma unroll
      for (int i = 0; i < 3; ++i) {
        const int at = i * 32 + self.lane;  // of 8 values
        if (Planes::count == 1) {
          store_once(fours(out + memory_.targets[0]) + down * 96 + at, from[i * 32]);
          continue;
        }
        const int row = at / kTilesAcross, n = at % kTilesAcross;
        const int right = n < Planes::groups ? 0 : 1;
        const int lower = down * 16 + row < kSide ? 0 : 1;
        const int64_t begin = memory_.targets[2 * lower + right];
        if (begin != kNowhere) {
          const int eight = (down * 16 + row - lower * kSide - right) * Planes::groups + n;
          store_once(fours(out + begin) + eight, from[i * 32]);
        }
      }
      __syncwarp();
    }
  }
  __device__ __forceinline__ static Four<float>* fours(Out* to) {
    return reinterpret_cast<Four<float>*>(to);
  }

  // What the warp has put into window `last`, into those before it from `first` on.
  __device__ __forceinline__ void copy(int first, int last, int time) const {
    const int64_t apart = planes_to_window(level_, 1, 0) * kPieces;
    for (int plane = 0; plane < Planes::count && exists(plane); ++plane) {
      auto* from = reinterpret_cast<Piece<Out>*>(target(plane, last, time));
      for (int i = SquareThread().lane; i < kPieces; i += 32) {
        auto* out = from + i;
        const Piece<Out> values = *out;
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
