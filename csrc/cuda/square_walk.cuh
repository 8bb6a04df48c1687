// The walk along planes of 48 x 48 and 24 x 24 in single precision. A block walks along the frames
// of one plane of 48 x 48, or of four of 24 x 24; of its warps each follows the windows that begin
// at one frame in P. At frame t it has counted the wraps k since the window's first frame, makes
// the field B(a_t k) on tensor cores (square_blur.cuh) and with it the phase, denoised and
// unwrapped, of which it needs that of the step before; that is its own and stays in shared memory.
// The whole plane is one warp's, so no other is waited for until the next frame. Fields depend on
// a_t and k alone: equal frames give equal phases.
#pragma once

#include "square_frame.cuh"

namespace phasenet::cuda {

// `Use` has the windows' values: use.finish(t, age, values, whether one is to be clamped), which a
// warp calls for frame t of the windows that began `age` frames before it, and use.repeat(t), which
// the block calls where windows repeat the video's first or last frame.
template <int kSide, typename Use>
class SquareWalk {
  using Level = typename Use::Level;

 public:
  __device__ explicit SquareWalk(const Level& level) : level_(level), use_(level) {
  }

  // A run is so many frames one after another, from one group of planes to the next.
  __device__ void run(int64_t block, bool only_down) {
    const int64_t length = level_.shape.length;
    int64_t at = block * level_.run, end = at + level_.run;
    end = end < level_.groups * length ? end : level_.groups * length;
    while (at < end) {
      const int64_t group = at / length, next = (group + 1) * length;
      const int64_t until = next < end ? next : end;
      begin(group, static_cast<int>(at - group * length), static_cast<int>(until - group * length));
      walk(only_down);
      at = until;
      __syncthreads();
    }
  }

 private:
  using Planes = SquarePlanes<kSide>;

  __device__ __forceinline__ void walk(bool only_down) {
    const int length = static_cast<int>(level_.shape.length), num_phase = level_.shape.num_phase;
    // Read where they are used: registers are scarce.
    const int &first = memory_.frames[0], &end = memory_.frames[1], &t = memory_.frames[2];
    SquareFrame<kSide, Level> frame(level_, only_down);
    frame.count_before(t + 1);
    frame.load(t + 1);
    do {
      frame.find_peaks();
      __syncthreads();
      frame.make_factors(t + 1, t + 1 > 0 && t + 1 >= first);
      __syncthreads();
      go_on();
      frame.blur();
      __syncthreads();
      frame.divide();
      __syncthreads();
      const auto age = [&] { return memory_.ages[SquareThread().warp]; };
      const auto follows = [&] {
        return SquareThread().warp < num_phase && age() <= t && (t >= first || age() < num_phase);
      };
      float values[kSquareTiles][4];
      if (follows()) {
        follow(values);
      }
      if (age() == num_phase && SquareThread().warp < num_phase) {
        begin_window();
      }
      frame.load(t + 1 < end ? t + 1 : t);  // always, so that none is kept meanwhile
      if (follows() && t >= first) {
        finish(t, age(), values);
      }
      if (t >= first && level_.shape.replicate && (t == 0 || t == length - 1)) {
        use_.repeat(t);
      }
    } while (t + 1 < end);
  }

  // Which frames of which planes are walked along. The frame before them only leaves its fields.
  __device__ __forceinline__ void begin(int64_t group, int first, int end) const {
    const SquareThread self;
    if (self.warp == 0) {
      write_blocks(self.lane, memory_.blocks);
    }
    if (self.index == 0) {
      *memory_.place = group * level_.shape.length;
      memory_.frames[0] = first;
      memory_.frames[1] = end;
      memory_.frames[2] = first > 0 ? first - 2 : -1;
    }
    if (self.index < Planes::count) {
      const WindowShape& shape = level_.shape;
      const int64_t wanted = group * Planes::count + self.index;
      const bool exists = wanted < level_.units;
      const int64_t unit = exists ? wanted : level_.units - 1;
      const int64_t video = unit / level_.nbands;
      const int band = static_cast<int>(unit % level_.nbands);
      memory_.origins[self.index] = (video * shape.length * level_.nbands + band) * Planes::area;
      memory_.targets[self.index] =
          exists || Level::is_gradient
              ? shape.output_plane(video, 0, level_.nbands, band, 0) * Planes::area
              : kNowhere;
    }
    __syncthreads();
    // A warp's windows begin at frames that are its number modulo P.
    const int num_phase = level_.shape.num_phase;
    if (self.lane == 0) {
      memory_.ages[self.warp] =
          (memory_.frames[2] - self.warp + kWindowWarps * num_phase) % num_phase;
    }
  }

  // To the next frame.
  __device__ __forceinline__ void go_on() const {
    const SquareThread self;
    if (self.lane == 0) {
      const int age = memory_.ages[self.warp];
      memory_.ages[self.warp] = age < level_.shape.num_phase ? age + 1 : 1;
    }
    if (self.index == kSquareThreads - 1) {
      ++memory_.frames[2];
    }
  }

  // Amplitudes times wraps, kCount of them: of two tiles' columns from n on, of one or two groups.
  template <int kCount>
  __device__ __forceinline__ static void make_factors(
      const Four<Halves>* high,
      const Four<Halves>* wraps,
      int group,
      int n,
      SquareFactors& factors) {
    struct alignas(4 * kCount) Part {
      Halves at[kCount];
    };
    const auto part = [&](const Four<Halves>* of) {
      return *reinterpret_cast<const Part*>(&of[(group / 2 * 3 + n / 2) * 32].at[group % 2 * 2]);
    };
    const Part highs = part(high), lows = part(high + kFactorThreads), counts = part(wraps);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      factors.at[group + i / 2][n + i % 2] = multiply({highs.at[i], lows.at[i]}, counts.at[i]);
    }
  }

  // The difference from the frame before.
  __device__ __forceinline__ void follow(float (&values)[kSquareTiles][4]) const {
    const SquareThread self;
    const Four<Halves>* high = memory_.high + self.lane;  // the lower halves lie behind
    const Four<Halves>* wraps = memory_.wraps + self.warp * kFactorThreads + self.lane;
    Four<float>* fields = memory_.fields + self.warp * kSquareFours + self.lane;
    SquareFactors factors;
#pragma unroll
    for (int m = 0; m < kTilesDown; ++m) {
      // Four groups of rows for the first two rows of tiles, and one more; then the last three
      // groups again, since there are no registers to keep one of them.
      const auto prepare = [&](int n) {
        __syncwarp();  // keeps compilers from loading early what there are no registers for
        if (m == 0) {
          make_factors<4>(high, wraps, 0, n, factors);
          make_factors<4>(high, wraps, 2, n, factors);
        } else if (m == 1) {
          make_factors<2>(high, wraps, 4, n, factors);
        } else {
          make_factors<2>(high, wraps, 3, n, factors);
          make_factors<4>(high, wraps, 4, n, factors);
        }
      };
      forget_shared();
      const SplitBlocks blocks = read_blocks(self.lane, memory_.blocks);
      for_blurred_tiles<kSide>(blocks, factors, m, prepare, [&](int n, const float (&field)[4]) {
        const int tile = m * kTilesAcross + n;
        const Four<float> inverse = memory_.inverse[tile * 32 + self.lane];
        const Four<float> denoised = memory_.denoised[tile * 32 + self.lane];
        const Four<float> before = fields[tile * 32];
        Four<float> now;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          now.at[i] = std::fma(field[i], inverse.at[i], denoised.at[i]);
          values[tile][i] = now.at[i] - before.at[i];
        }
        fields[tile * 32] = now;
#pragma unroll
        for (int half = 2 * tile; half < 2 * tile + 2 && half < kParked; ++half) {
          memory_.parked[(self.warp * kParked + half) * 32 + self.lane] = {
              {values[tile][half % 2 * 2], values[tile][half % 2 * 2 + 1]}};
        }
      });
    }
  }

  // The next ones begin at this frame, of which they have counted no wraps.
  __device__ __forceinline__ void begin_window() const {
    const SquareThread self;
#pragma unroll 6
    for (int tile = 0; tile < kSquareTiles; ++tile) {
      const int at = tile * 32 + self.lane;
      memory_.fields[self.warp * kSquareFours + at] = memory_.denoised[at];
    }
  }

  // Without its mean.
  __device__ __forceinline__ void finish(int t, int age, float (&values)[kSquareTiles][4]) const {
    const SquareThread self;
#pragma unroll
    for (int half = 0; half < kParked; ++half) {
      const Two<float> parked = memory_.parked[(self.warp * kParked + half) * 32 + self.lane];
      values[half / 2][half % 2 * 2] = parked.at[0];
      values[half / 2][half % 2 * 2 + 1] = parked.at[1];
    }
    const auto plane_of = [](int tile, int i) {
      return Planes::at(tile / kTilesAcross * 2 + i / 2, tile % kTilesAcross);
    };
    float means[Planes::count] = {};
#pragma unroll
    for (int tile = 0; tile < kSquareTiles; ++tile) {
      for (int i = 0; i < 4; i += 2) {
        means[plane_of(tile, i)] += values[tile][i] + values[tile][i + 1];
      }
    }
#pragma unroll
    for (int plane = 0; plane < Planes::count; ++plane) {
#pragma unroll
      for (int apart = 16; apart > 0; apart /= 2) {
        means[plane] += __shfl_xor_sync(0xffffffffu, means[plane], apart);
      }
      means[plane] *= 1.0f / Planes::area;
    }
    const auto for_values = [&](const auto& visit) {
#pragma unroll
      for (int tile = 0; tile < kSquareTiles; ++tile) {
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          visit(values[tile][i], plane_of(tile, i));
        }
      }
    };
    float largest = 0;
    for_values([&](float& value, int plane) {
      value -= means[plane];
      largest = std::fmax(largest, std::fabs(value));
    });
    use_.finish(t, age, values, __ballot_sync(0xffffffffu, largest > kLimit<float>) != 0);
  }

  const Level& level_;
  const Use use_;
  const SquareMemory memory_;
};

}  // namespace phasenet::cuda
