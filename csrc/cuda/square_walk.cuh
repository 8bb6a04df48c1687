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

// A square's values as products leave them (blur_across): sixteen rows, sixteen columns, half.
using SquareValues = float[kTilesDown][kTilesDown][2][4];

// Calls visit(down, across) for the 16 x 16 values of each.
template <typename Visit>
__device__ __forceinline__ void for_sixteens(const Visit& visit) {
#pragma unroll
  for (int down = 0; down < kTilesDown; ++down) {
#pragma unroll
    for (int across = 0; across < kTilesDown; ++across) {
      visit(down, across);
    }
  }
}

// Which of the planes the thread's values are of.
template <int kSide>
__device__ __forceinline__ int plane_of(const SquareThread& self, int down, int across) {
  return SquarePlanes<kSide>::at(2 * down + self.q / 2, 2 * across + self.r / 4);
}

// `Use` has the windows' values: use.finish(t, first, last, age, values, whether one may be to be
// clamped), which a warp calls for frame t of the windows `first` to `last`, which began `age`
// frames before it, and use.repeat(t), which the block calls where windows repeat the video's first
// or last frame.
template <int kSide, typename Use>
class SquareWalk {
  using Level = typename Use::Level;

 public:
  __device__ explicit SquareWalk(const Level& level) : level_(level), use_(level) {
  }

  // A run is so many frames one after another, from one group of planes to the next.
  __device__ void run(int64_t block, bool only_down) {
    const int64_t length = level_.shape.length;
    // Read where they are used: registers are scarce.
    const int64_t &at = memory_.run[0], &end = memory_.run[1];
    if (SquareThread().index == 0) {
      const int64_t first = block * level_.run, all = level_.groups * length;
      memory_.run[0] = first;
      memory_.run[1] = first + level_.run < all ? first + level_.run : all;
    }
    __syncthreads();
    do {
      const int64_t group = at / length, next = (group + 1) * length;
      const int64_t until = next < end ? next : end;
      begin(group, static_cast<int>(at - group * length), static_cast<int>(until - group * length));
      if (SquareThread().index == 0) {
        memory_.run[0] = until;
      }
      walk(only_down);
      __syncthreads();
    } while (at < end);
  }

 private:
  using Planes = SquarePlanes<kSide>;
  // Halves of 16 x 16 values that wait in shared memory: short taps leave registers to the others.
  static constexpr int kWaiting = Level::is_short && kSide == kSquare ? 1 : kParked;

  __device__ __forceinline__ void walk(bool only_down) {
    const int length = static_cast<int>(level_.shape.length), num_phase = level_.shape.num_phase;
    // Read where they are used: registers are scarce.
    const int &first = memory_.frames[0], &end = memory_.frames[1], &t = memory_.frames[2];
    const int& slot = memory_.frames[3];
    SquareFrame<kSide, Level> frame(level_, only_down);
    frame.count_before(t + 1, slot);
    frame.load(t + 1);
    do {
      frame.find_peaks();
      __syncthreads();
      frame.make_factors(t + 1 > 0 && t + 1 >= first, slot);
      __syncthreads();
      go_on();
      frame.blur();
      __syncthreads();
      frame.divide();
      __syncthreads();
      const auto age = [&] { return memory_.ages[SquareThread().warp]; };
      const bool follows =
          SquareThread().warp < num_phase && age() <= t && (t >= first || age() < num_phase);
      SquareValues values;
      if (follows) {
        follow(values);
      }
      if (age() == num_phase && SquareThread().warp < num_phase) {
        begin_window();
      }
      frame.load(t + 1 < end ? t + 1 : t);  // always, so that none is kept meanwhile
      if (follows && t >= first) {
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
    const int num_phase = level_.shape.num_phase;
    if (self.warp == 0) {
      write_blocks<Level::is_short>(self.lane, memory_.blocks);
    }
    if (self.index == 0) {
      *memory_.place = group * level_.shape.length;
      memory_.frames[0] = first;
      memory_.frames[1] = end;
      memory_.frames[2] = first > 0 ? first - 2 : -1;
      memory_.frames[3] = (memory_.frames[2] + num_phase) % num_phase;
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
    if (self.lane == 0) {
      memory_.ages[self.warp] =
          (memory_.frames[2] - self.warp + kWindowWarps * num_phase) % num_phase;
    }
  }

  // To the next frame.
  __device__ __forceinline__ void go_on() const {
    const SquareThread self;
    const int num_phase = level_.shape.num_phase;
    if (self.lane == 0) {
      const int age = memory_.ages[self.warp];
      memory_.ages[self.warp] = age < num_phase ? age + 1 : 1;
    }
    if (self.index == kSquareThreads - 1) {
      ++memory_.frames[2];
      memory_.frames[3] = memory_.frames[3] + 1 < num_phase ? memory_.frames[3] + 1 : 0;
    }
  }

  // The difference from the frame before.
  __device__ __forceinline__ void follow(SquareValues& values) const {
    const SquareThread self;
    const Four<Halves>* amplitudes = memory_.factors + self.lane;
    const Four<Halves>* common = memory_.common + self.lane;
    const Four<Halves>* wraps = memory_.wraps + self.warp * kFactorThreads + self.lane;
    Four<float>* fields = memory_.fields + self.warp * kSquareFours + self.lane;
    const auto blocks = read_blocks<Level::is_short>(self.lane, memory_.blocks);
    const Halves minus = minus_exchanged(self.lane);
    const bool is_last = memory_.ages[self.warp] == level_.shape.num_phase;
    memory_.near[self.index] = 1;
    BlurredRows rows[kTilesDown];
#pragma unroll
    for (int pair = 0; pair < kTilesDown; ++pair) {
      Four<Halves> counts[kTilesDown];
#pragma unroll
      for (int i = 0; i < kTilesDown; ++i) {
        const int at = (i * kTilesDown + pair) * 32;
        counts[i] = wraps[at];
        if constexpr (Level::is_short) {
          counts[i] = sum_of(counts[i], common[at]);
        }
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        SplitRights factors[kTilesDown];  // amplitudes times wraps
#pragma unroll
        for (int i = 0; i < kTilesDown; ++i) {
          const int at = (i * kTilesDown + pair) * 32;
          const auto a = rights_of(amplitudes[n * kFactorThreads + at]);
          const auto times = [&](Halves high, Halves low, Halves by) {
            return Level::is_short ? SplitPair{multiply(high, by), multiply(low, by)}
                                   : multiply({high, low}, by);
          };
          const SplitPair first = times(a.high.first, a.low.first, counts[i].at[2 * n]);
          const SplitPair second = times(a.high.second, a.low.second, counts[i].at[2 * n + 1]);
          factors[i] = {{first.high, second.high}, {first.low, second.low}};
        }
#pragma unroll
        for (int m = 0; m < kTilesDown; ++m) {
          float sum[4] = {};
          blur_sixteen<kSide>(blocks, m, [&](int i) { return factors[i]; }, sum);
          put_sums(minus, sum, 2 * pair + n, rows[m]);
        }
      }
#pragma unroll
      for (int m = 0; m < kTilesDown; ++m) {
        blur_across<kSide>(
            blocks, rows[m], pair, [&](int across, int half, const float (&field)[4]) {
              const int at = ((m * kTilesDown + across) * 2 + half) * 32;
              const Four<float> inverse = memory_.inverse[at + self.lane];
              const Four<float> denoised = memory_.denoised[at + self.lane];
              const Four<float> before = fields[at];
              Four<float> now, change;
              uint32_t bits = 0;
#pragma unroll
              for (int i = 0; i < 4; ++i) {
                now.at[i] = std::fma(field[i], inverse.at[i], denoised.at[i]);
                change.at[i] = now.at[i] - before.at[i];
                values[m][across][half][i] = change.at[i];
                bits |= __float_as_uint(change.at[i]);
              }
              if (!is_last) {
                fields[at] = now;
              }
              if (across == 0 && 2 * m + half < kWaiting) {
                memory_.parked[(self.warp * kParked + 2 * m + half) * 32 + self.lane] = change;
              }
              // Told at once, so that no difference waits for it in parts, which takes registers.
              if ((bits & 0x40000000u) != 0) {  // one is 2 or more
                memory_.near[self.index] = 0;
              }
            });
      }
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
  __device__ __forceinline__ void finish(int t, int age, SquareValues& values) const {
    const SquareThread self;
    const int first = level_.shape.first_window(t, age);
    const int last = level_.shape.last_window(t, age);
    if (first > last) {
      return;
    }
#pragma unroll
    for (int i = 0; i < kWaiting; ++i) {
      const Four<float> parked = memory_.parked[(self.warp * kParked + i) * 32 + self.lane];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        values[i / 2][0][i % 2][j] = parked.at[j];
      }
    }
    float means[Planes::count] = {};
    for_sixteens([&](int down, int across) {
      float sum = 0;
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        sum += values[down][across][i / 4][i % 4];
      }
#pragma unroll
      for (int plane = 0; plane < Planes::count; ++plane) {
        means[plane] += plane_of<kSide>(self, down, across) == plane ? sum : 0.0f;
      }
    });
    bool near = memory_.near[self.index] != 0;  // and their means, so that none is to be clamped
#pragma unroll
    for (int plane = 0; plane < Planes::count; ++plane) {
#pragma unroll
      for (int apart = 16; apart > 0; apart /= 2) {
        means[plane] += __shfl_xor_sync(0xffffffffu, means[plane], apart);
      }
      means[plane] *= kPhaseUnit / Planes::area;
      near = near && std::fabs(means[plane]) < kLimit<float> - 2 * kPhaseUnit;
    }
    for_sixteens([&](int down, int across) {
      float mean = means[0];
#pragma unroll
      for (int plane = 1; plane < Planes::count; ++plane) {
        mean = plane_of<kSide>(self, down, across) == plane ? means[plane] : mean;
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        float& value = values[down][across][i / 4][i % 4];
        value = std::fma(value, kPhaseUnit, -mean);
      }
    });
    use_.finish(t, first, last, age, values, __ballot_sync(0xffffffffu, !near) != 0);
  }

  const Level& level_;
  const Use use_;
  const SquareMemory memory_;
};

}  // namespace phasenet::cuda
