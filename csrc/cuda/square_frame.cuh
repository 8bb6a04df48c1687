// A frame of the planes of one square (square_walk.cuh): loaded, as factors of products on tensor
// cores, its wraps counted, and its phases denoised.
#pragma once

#include "square_memory.cuh"

namespace phasenet::cuda {

// Where `Level` is that of a gradient, wraps are written to it.
template <int kSide, typename Level>
class SquareFrame {
 public:
  __device__ SquareFrame(const Level& level, bool only_down)
      : level_(level), only_down_(only_down) {
  }

  // Threads without a part clear theirs, so that nothing has to be kept for them.
  __device__ __forceinline__ void load(int t) {
    if (!SquareThread().has_factors()) {
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        before_[i] = phase_[i] = amplitude_[i] = 0;
      }
      return;
    }
    const int64_t frame = t > 0 ? level_.nbands * Planes::area : 0;
    with_layout([&](auto in_blocks) {
      for_pairs(in_blocks, t, [&](int pair, int64_t at) {
        load(in_blocks, level_.phase + at - frame, before_ + 2 * pair);
        load(in_blocks, level_.phase + at, phase_ + 2 * pair);
        load(in_blocks, level_.amplitude + at, amplitude_ + 2 * pair);
      });
    });
  }

  // What the windows that are open at frame `first` have counted until it, back from it. `slot` is
  // that of the windows that begin at the frame before.
  __device__ __forceinline__ void count_before(int first, int slot) const {
    const SquareThread self;
    if (!self.has_factors()) {
      return;
    }
    with_layout([&](auto in_blocks) {
      const float* phases[4];
      for_pairs(in_blocks, first, [&](int pair, int64_t at) { phases[pair] = level_.phase + at; });
      const auto load_phases = [&](float (&to)[8]) {
#pragma unroll
        for (int pair = 0; pair < 4; ++pair) {
          load(in_blocks, phases[pair], to + 2 * pair);
        }
      };
      Four<Halves> total = {};
      if constexpr (Level::is_short) {
        memory_.common[self.index] = total;
      }
      float after[8];
      load_phases(after);
#pragma unroll 2
      for (int t = first; t > 0 && t > first + 1 - level_.shape.num_phase; --t) {
#pragma unroll
        for (const float*& phase : phases) {
          phase -= level_.nbands * Planes::area;
        }
        float before[8];
        load_phases(before);
        total = sum_of(total, wraps_between(before, after));
        memory_.wraps[slot * kFactorThreads + self.index] = total;
        slot = (slot > 0 ? slot : level_.shape.num_phase) - 1;
#pragma unroll
        for (int i = 0; i < 8; ++i) {
          after[i] = before[i];
        }
      }
    });
  }

  __device__ __forceinline__ void find_peaks() const {
    const SquareThread self;
    if (!self.has_factors()) {
      return;
    }
    uint32_t peaks[4];
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      const uint32_t one = __float_as_uint(amplitude_[2 * pair]);
      const uint32_t two = __float_as_uint(amplitude_[2 * pair + 1]);
      peaks[pair] = one > two ? one : two;
      if (Planes::count == 1 && pair > 0) {
        peaks[0] = peaks[pair] > peaks[0] ? peaks[pair] : peaks[0];
      }
    }
#pragma unroll
    for (int pair = 0; pair < (Planes::count == 1 ? 1 : 4); ++pair) {
      const uint32_t peak = __reduce_max_sync(0xffffffffu, peaks[pair]);
      const int group = self.group(pair), n = self.tile(pair);
      const int part = Planes::at(group, n) * 16 + Planes::within(group) * 3 + Planes::within(n);
      if (self.lane == 0) {
        memory_.peaks[Planes::count == 1 ? self.warp : part] = peak;
      }
    }
  }

  // Amplitudes times the power of two that makes the plane's largest 512 to 1024: a window's |k| is
  // at most P / 2, so that no sum leaves the halves' range. Nothing counts less than 1e-9 of the
  // largest. Planes that are not finite become zeros, and so 0 / 0. The wraps from the frame before
  // are added to those of all windows that have begun, if it `counts` them; `slot` is that of the
  // windows that have just begun.
  __device__ __forceinline__ void make_factors(bool counts, int slot) {
    const SquareThread self;
    if (!self.has_factors()) {
      return;
    }
    SplitPair amplitudes[4], weighted[4];
    uint32_t peak = 0;
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      if (pair == 0 || Planes::count > 1) {
        const int plane = Planes::at(self.group(pair), self.tile(pair));
        const uint32_t part = self.lane < 9 ? memory_.peaks[plane * 16 + self.lane] : 0u;
        peak = __reduce_max_sync(0xffffffffu, part);
      }
      const uint32_t exponent = peak >> 23;
      const bool is_finite = exponent < 255;
      const float scale =
          is_finite ? __uint_as_float((exponent < 20 ? 243 : 263 - exponent) << 23) : 0.0f;
      const float least = is_finite ? 0x1p-20f : 0.0f;
      float values[2], products[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        values[i] = std::fmax(amplitude_[2 * pair + i] * scale, least);  // none is NaN
        products[i] = is_finite ? values[i] * phase_[2 * pair + i] : 0.0f;
      }
      amplitudes[pair] =
          Level::is_short ? split_shortly(values[0], values[1]) : split(values[0], values[1]);
      weighted[pair] = split(products[0], products[1]);
    }
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const int at = n * kFactorThreads + self.index;
      memory_.factors[at] = four_of(amplitudes[n], amplitudes[n + 2]);
      memory_.weighted[at] = four_of(weighted[n], weighted[n + 2]);
    }
    if (counts) {
      count_wraps(slot, wraps_between(before_, phase_));
    }
  }

  // A warp blurs 16 rows of amplitudes or of weighted phases: which ones of a square is known when
  // compiling, and so what does not lie beside them.
  __device__ __forceinline__ void blur() const {
    const int warp = SquareThread().warp;
#pragma unroll
    for (int m = 0; m < kTilesDown; ++m) {
      if (warp == m || warp == kTilesDown + m) {
        blur_rows(m, warp != m);
      }
    }
  }

  // Denoised phases and 2 pi / B(a).
  __device__ __forceinline__ void divide() const {
    auto* amplitudes = reinterpret_cast<Two<float>*>(memory_.inverse);
    auto* weighted = reinterpret_cast<Two<float>*>(memory_.denoised);
    int at = thread_index();
#pragma unroll
    for (int j = 0; j < 2 * kSquareFours / kSquareThreads; ++j, at += kSquareThreads) {
      Two<float> one = amplitudes[at], other = weighted[at];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float inverse = reciprocal(one.at[i]) * (1 / kPhaseUnit);
        one.at[i] = inverse * float(2 * kPi);
        other.at[i] *= inverse;
      }
      amplitudes[at] = one;
      weighted[at] = other;
    }
  }

 private:
  using Planes = SquarePlanes<kSide>;

  __device__ __forceinline__ void blur_rows(int m, bool is_weighted) const {
    const SquareThread self;
    const Four<Halves>* from = (is_weighted ? memory_.weighted : memory_.factors) + self.lane;
    const auto blocks = read_blocks<Level::is_short>(self.lane, memory_.blocks);
    const Halves minus = minus_exchanged(self.lane);
    BlurredRows rows;
    Four<float>* to =
        (is_weighted ? memory_.denoised : memory_.inverse) + m * kTilesAcross * 32 + self.lane;
#pragma unroll
    for (int pair = 0; pair < kTilesDown; ++pair) {
      SplitRights factors[2][kTilesDown];
#pragma unroll
      for (int i = m > 0 ? m - 1 : 0; i < kTilesDown && i <= m + 1; ++i) {
        const int at = (i * kTilesDown + pair) * 32;
#pragma unroll
        for (int n = 0; n < 2; ++n) {
          factors[n][i] = rights_of(from[n * kFactorThreads + at]);
        }
      }
#pragma unroll
      for (int n = 0; n < 2; ++n) {
        float sum[4] = {};
        blur_sixteen<kSide>(blocks, m, [&](int i) { return factors[n][i]; }, sum);
        put_sums(minus, sum, 2 * pair + n, rows);
      }
      blur_across<kSide>(blocks, rows, pair, [&](int across, int half, const float (&values)[4]) {
        to[(2 * across + half) * 32] = {{values[0], values[1], values[2], values[3]}};
      });
    }
  }

  template <typename Visit>
  __device__ __forceinline__ void with_layout(const Visit& visit) const {
    level_.in_blocks ? visit(std::true_type()) : visit(std::false_type());
  }

  // Calls visit(pair, where its upper pixel lies).
  template <typename InBlocks, typename Visit>
  __device__ __forceinline__ void for_pairs(InBlocks, int t, const Visit& visit) const {
    constexpr bool blocks = InBlocks::value;
    const SquareThread self;
    const int64_t frame = int64_t{t} * (level_.nbands * Planes::area) +
                          (blocks ? self.lane * 2 : self.q * 2 * kSide + self.r);
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      const int group = self.group(pair), n = self.tile(pair);
      const int64_t origin = memory_.origins[Planes::at(group, n)];
      const int down = Planes::within(group), across = Planes::within(n);
      visit(
          pair,
          origin + frame +
              (blocks ? (down * Planes::groups + across) * 64 : (down * kSide + across) * 8));
    }
  }

  template <typename InBlocks>
  __device__ __forceinline__ static void load(InBlocks, const float* from, float* to) {
    const Two<float> both = InBlocks::value ? *reinterpret_cast<const Two<float>*>(from)
                                            : Two<float>{{from[0], from[kSide]}};
    to[0] = both.at[0];
    to[1] = both.at[1];
  }

  __device__ __forceinline__ Four<Halves> wraps_between(
      const float (&before)[8], const float (&after)[8]) const {
    const float lowest = only_down_ ? -INFINITY : -float(kPi);
    const auto wraps = [&](int i) {
      const float change = after[i] - before[i];
      return one_if_less(change, lowest) - one_if_less(float(kPi), change);
    };
    Four<Halves> result;
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      result.at[pair % 2 * 2 + pair / 2] = halves(wraps(2 * pair), wraps(2 * pair + 1));
    }
    return result;
  }

  __device__ __forceinline__ void count_wraps(int fresh_slot, const Four<Halves>& fresh) const {
    const int index = thread_index();
    if constexpr (Level::is_gradient) {
      const int64_t place = *memory_.place + memory_.frames[2] + 1;  // of the frame at hand next
      level_.wraps[place * kFactorThreads + index] = fresh;
    }
    Four<Halves>& begun = memory_.wraps[fresh_slot * kFactorThreads + index];
    if constexpr (Level::is_short) {
      Four<Halves> common = memory_.common[index];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        begun.at[i] = common.at[i] ^ 0x80008000u;  // minus
      }
      if (memory_.frames[2] % kCommonFrames == 0) {
        add_to_all(index, common);
        common = {};
      }
      memory_.common[index] = sum_of(common, fresh);
    } else {
      add_to_all(index, fresh);
      begun = fresh;
    }
  }

  __device__ __forceinline__ void add_to_all(int index, const Four<Halves>& wraps) const {
#pragma unroll 4
    for (int slot = 0; slot < level_.shape.num_phase; ++slot) {
      Four<Halves>& sum = memory_.wraps[slot * kFactorThreads + index];
      sum = sum_of(sum, wraps);
    }
  }

  const SquareMemory memory_;
  const Level& level_;
  const bool only_down_;
  // Of the frame at hand and the one before, until they are in shared memory.
  float before_[8], phase_[8], amplitude_[8];
};

}  // namespace phasenet::cuda
