// A frame of the planes of one square (square_walk.cuh): loaded, as factors of products on tensor
// cores, its wraps counted, and its phases denoised.
#pragma once

#include "polar.cuh"
#include "square_blur.cuh"
#include "window_tiles.cuh"

namespace phasenet::cuda {

constexpr int kWindowWarps = 12;  // the longest windows, P
constexpr int kSquareThreads = 32 * kWindowWarps;
// Threads whose 16 bytes of a square's right factors are the pairs of rows 2 q and 2 q + 1 of
// column r, of two groups of rows times two tiles' columns: [kRowGroups / 2, kTilesAcross / 2, 32].
constexpr int kFactorThreads = 32 * kRowGroups * kTilesAcross / 4;
constexpr int kSquareFours = kSquare * kSquare / 4;
constexpr int kParked = 8;  // halves of tiles for which registers do not suffice

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
  Four<float>* inverse;   // [kSquareTiles, 32]: B(a), then 2 pi / B(a)
  Four<float>* denoised;  // B(a p), then the denoised phases
  Four<Halves>* wraps;    // [kWindowWarps, kFactorThreads]: counted since a window's first frame
  Four<Halves>* high;     // [kFactorThreads]: a times a power of two as the sum of two halves
  Four<Halves>* low;
  Four<Halves>* weighted_high;  // a p, until it is blurred
  Four<Halves>* weighted_low;
  Two<float>* parked;    // in their place, [kWindowWarps, kParked, 32]: a window's first values
  Four<Halves>* blocks;  // of taps
  int64_t* origins;      // [4]: where the planes' first frames begin; others' where there is none
  int64_t* targets;      // [4]: where their windows begin, kNowhere where there is no plane
  int64_t* place;        // of the planes' first frames among all groups'
  int* frames;           // the first that is walked along, the one behind the last, the one at hand
  int* ages;             // [kWindowWarps]: of a warp's windows, in frames
  uint32_t* peaks;       // [4, 16]: the largest amplitude of parts of each plane, as bits

  __device__ SquareMemory() {
    fields = shared_memory<Four<float>>();
    inverse = fields + kWindowWarps * kSquareFours;
    denoised = inverse + kSquareFours;
    wraps = reinterpret_cast<Four<Halves>*>(denoised + kSquareFours);
    high = wraps + kWindowWarps * kFactorThreads;
    low = high + kFactorThreads;
    weighted_high = low + kFactorThreads;
    weighted_low = weighted_high + kFactorThreads;
    parked = reinterpret_cast<Two<float>*>(weighted_high);
    blocks = reinterpret_cast<Four<Halves>*>(parked + kWindowWarps * kParked * 32);
    origins = reinterpret_cast<int64_t*>(blocks + kBlockFours);
    targets = origins + 4;
    place = targets + 4;
    frames = reinterpret_cast<int*>(place + 1);
    ages = frames + 3;
    peaks = reinterpret_cast<uint32_t*>(ages + kWindowWarps);
  }
};

constexpr int kSquareSixteens = (kWindowWarps + 2) * kSquareFours +
                                (kWindowWarps + 2) * kFactorThreads + kWindowWarps * kParked * 16 +
                                kBlockFours;
constexpr int64_t kSquareBytes = 16 * kSquareSixteens + 9 * 8 + 4 * (3 + kWindowWarps + 64);

static_assert(kWindowWarps * kParked * 16 >= 2 * kFactorThreads);

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

// Where `Level` is that of a gradient, wraps are written to it.
template <int kSide, typename Level>
class SquareFrame {
 public:
  __device__ SquareFrame(const Level& level, bool only_down)
      : level_(level), only_down_(only_down) {
  }

  __device__ __forceinline__ void load(int t) {
    const int64_t frame = t > 0 ? level_.nbands * Planes::area : 0;
    clear(before_);
    clear(phase_);
    clear(amplitude_);
    for_pairs(t, [&](auto in_blocks, int pair, int64_t at) {
      load(in_blocks, level_.phase, at - frame, before_ + 2 * pair);
      load(in_blocks, level_.phase, at, phase_ + 2 * pair);
      load(in_blocks, level_.amplitude, at, amplitude_ + 2 * pair);
    });
  }

  // What the windows that are open at frame `first` have counted until it, back from it.
  __device__ __forceinline__ void count_before(int first) {
    const SquareThread self;
    Four<Halves> total = {};
    float after[8];
    load_phases(first, after);
    for (int t = first; t > 0 && t > first + 1 - level_.shape.num_phase; --t) {
      float before[8];
      load_phases(t - 1, before);
      const Four<Halves> wraps = wraps_between(before, after);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        total.at[i] = add(total.at[i], wraps.at[i]);
      }
      if (self.has_factors()) {
        memory_.wraps[(t - 1) % level_.shape.num_phase * kFactorThreads + self.index] = total;
      }
#pragma unroll
      for (int i = 0; i < 8; ++i) {
        after[i] = before[i];
      }
    }
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
  // are added to those of all windows that have begun, if it `counts` them.
  __device__ __forceinline__ void make_factors(int t, bool counts) {
    const SquareThread self;
    if (!self.has_factors()) {
      return;
    }
    Four<Halves> high, low, weighted_high, weighted_low;
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
      const float scale = __uint_as_float((exponent < 20 ? 243 : 263 - exponent) << 23);
      float values[2], products[2];
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const float scaled = amplitude_[2 * pair + i] * scale;
        values[i] = is_finite ? (scaled > 0x1p-20f ? scaled : 0x1p-20f) : 0.0f;
        products[i] = is_finite ? values[i] * phase_[2 * pair + i] : 0.0f;
      }
      const SplitPair amplitude = split(values[0], values[1]);
      const SplitPair weighted = split(products[0], products[1]);
      high.at[pair] = amplitude.high;
      low.at[pair] = amplitude.low;
      weighted_high.at[pair] = weighted.high;
      weighted_low.at[pair] = weighted.low;
    }
    memory_.high[self.index] = high;
    memory_.low[self.index] = low;
    memory_.weighted_high[self.index] = weighted_high;
    memory_.weighted_low[self.index] = weighted_low;
    if (counts) {
      count_wraps(t, wraps_between(before_, phase_));
    }
  }

  // A warp blurs one row of tiles of amplitudes or of weighted phases.
  __device__ __forceinline__ void blur() const {
    const SquareThread self;
    if (self.warp >= 2 * kTilesDown) {
      return;
    }
    const bool is_weighted = self.warp >= kTilesDown;
    const Four<Halves>* high = is_weighted ? memory_.weighted_high : memory_.high;
    const Four<Halves>* low = is_weighted ? memory_.weighted_low : memory_.low;
    SplitBlocks blocks = read_blocks(self.lane, memory_.blocks);
    // As the middle row of tiles; where there is no group of rows, zeros.
    constexpr int middle = 1;
    const int m = self.warp % kTilesDown;
    if (m != middle) {
      blocks.high.parted = blocks.high.rows;
      blocks.low.parted = blocks.low.rows;
    }
    SquareFactors factors;
    const auto prepare = [&](int n) {
#pragma unroll
      for (int g = 2 * middle - 1; g <= 2 * middle + 2; ++g) {
        const int group = g + 2 * (m - middle);
        const bool exists = group >= 0 && group < kRowGroups;
        const int at = exists ? (group / 2 * 3 + n / 2) * 32 + self.lane : self.lane;
        const auto part = [&](const Four<Halves>* of) {
          return reinterpret_cast<const Two<Halves>*>(of + at)[group & 1];
        };
        const Two<Halves> highs = part(high), lows = part(low);
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          factors.at[g][n + i] = {exists ? highs.at[i] : 0, exists ? lows.at[i] : 0};
        }
      }
    };
    Four<float>* to = (is_weighted ? memory_.denoised : memory_.inverse) + m * kTilesAcross * 32;
    for_blurred_tiles<kSide>(
        blocks, factors, middle, prepare, [&](int n, const float (&values)[4]) {
          to[n * 32 + self.lane] = {{values[0], values[1], values[2], values[3]}};
        });
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
        const float inverse = reciprocal(one.at[i]);
        one.at[i] = inverse * float(2 * kPi);
        other.at[i] *= inverse;
      }
      amplitudes[at] = one;
      weighted[at] = other;
    }
  }

 private:
  using Planes = SquarePlanes<kSide>;

  // Calls visit(how planes lie, pair, where its upper pixel lies), where the thread has factors.
  template <typename Visit>
  __device__ __forceinline__ void for_pairs(int t, const Visit& visit) const {
    const auto each = [&](auto in_blocks) {
      constexpr bool blocks = decltype(in_blocks)::value;
      const SquareThread self;
      const int64_t frame = int64_t{t} * (level_.nbands * Planes::area) +
                            (blocks ? self.lane * 2 : self.q * 2 * kSide + self.r);
#pragma unroll
      for (int pair = 0; pair < 4; ++pair) {
        const int group = self.group(pair), n = self.tile(pair);
        const int64_t origin = memory_.origins[Planes::at(group, n)];
        const int down = Planes::within(group), across = Planes::within(n);
        const int within =
            blocks ? (down * Planes::groups + across) * 64 : (down * kSide + across) * 8;
        visit(in_blocks, pair, origin + frame + within);
      }
    };
    if (SquareThread().has_factors()) {
      level_.in_blocks ? each(std::true_type()) : each(std::false_type());
    }
  }

  template <typename InBlocks>
  __device__ __forceinline__ static void load(
      InBlocks in_blocks, const float* from, int64_t at, float* to) {
    const Two<float> both = InBlocks::value ? *reinterpret_cast<const Two<float>*>(from + at)
                                            : Two<float>{{from[at], from[at + kSide]}};
    to[0] = both.at[0];
    to[1] = both.at[1];
  }

  // So that what was loaded before is not kept.
  __device__ __forceinline__ static void clear(float (&values)[8]) {
#pragma unroll
    for (float& value : values) {
      value = 0;
    }
  }

  __device__ __forceinline__ void load_phases(int t, float (&to)[8]) const {
    clear(to);
    for_pairs(t, [&](auto in_blocks, int pair, int64_t at) {
      load(in_blocks, level_.phase, at, to + 2 * pair);
    });
  }

  __device__ __forceinline__ Four<Halves> wraps_between(
      const float (&before)[8], const float (&after)[8]) const {
    const float lowest = only_down_ ? -INFINITY : -float(kPi);
    const auto wraps = [&](int i) {
      const float change = after[i] - before[i];
      return (change < lowest ? 1.0f : 0.0f) - (change > float(kPi) ? 1.0f : 0.0f);
    };
    Four<Halves> result;
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      result.at[pair] = halves(wraps(2 * pair), wraps(2 * pair + 1));
    }
    return result;
  }

  __device__ __forceinline__ void count_wraps(int t, const Four<Halves>& fresh) const {
    Four<Halves>* wraps = memory_.wraps + thread_index();
    if constexpr (Level::is_gradient) {
      level_.wraps[(*memory_.place + t) * kFactorThreads + thread_index()] = fresh;
    }
#pragma unroll 4
    for (int slot = 0; slot < level_.shape.num_phase; ++slot) {
      Four<Halves> sum = wraps[slot * kFactorThreads];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sum.at[i] = add(sum.at[i], fresh.at[i]);
      }
      wraps[slot * kFactorThreads] = sum;
    }
    wraps[(t - 1) % level_.shape.num_phase * kFactorThreads] =
        fresh;  // of the windows that have just begun
  }

  const SquareMemory memory_;
  const Level& level_;
  const bool only_down_;
  // Of the frame at hand and the one before, until they are in shared memory.
  float before_[8], phase_[8], amplitude_[8];
};

}  // namespace phasenet::cuda
