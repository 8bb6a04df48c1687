// The gradient of windows of planes of 48 x 48 and 24 x 24, second half: sums over the windows that
// a frame is in, back to its coefficients. gradient_walk.cuh tells the formulas; here the wraps k
// since a window's first frame are counted: da = p B(Q) + sum_i (2 pi k B(q) - B(q (d + F))), where
// F and B(q) are products on tensor cores.
//
// A block makes one frame of one plane of 48 x 48, or of four of 24 x 24, each of its warps a third
// of the rows or, of what is blurred with the axes exchanged, of the columns. Of every 8 x 8 block
// a lane has `by rows` columns 2 q and 2 q + 1 of row r, `by columns` these rows of column r.
#pragma once

#include "polar.cuh"
#include "square_clamps.cuh"
#include "square_single_blur.cuh"

namespace phasenet::cuda {

constexpr int kSumThreads = 32 * kTilesDown;

// In shared memory.
struct SquareSumsMemory {
  Four<float>* plain;      // factors
  Four<float>* exchanged;  // factors with the axes exchanged
  Four<float>* zeros;      // [kTilesAcross, 32]
  Four<float>* taps;
  Four<float>* inverse;     // [kSquareTiles, 32]: 2 pi / B(a), by rows
  Four<float>* sum;         // of q, by rows
  Four<float>* with_field;  // of q B(a k), by rows
  int64_t* origins;         // [4]: where the frame's planes begin; others' where there is none
  int64_t* targets;         // [4]: where these units' windows begin
  uint32_t* high_bits;      // see cut()

  __device__ SquareSumsMemory() {
    plain = shared_memory<Four<float>>();
    exchanged = plain + kSingleFactors;
    zeros = exchanged + kSingleFactors;
    taps = zeros + kTilesAcross * 32;
    inverse = taps + kSingleTapFours;
    sum = inverse + kSquareFours;
    with_field = sum + kSquareFours;
    origins = reinterpret_cast<int64_t*>(with_field + kSquareFours);
    targets = origins + 4;
    high_bits = reinterpret_cast<uint32_t*>(targets + 4);
  }
};
constexpr int64_t kSquareSumsBytes =
    16 * (2 * kSingleFactors + kTilesAcross * 32 + kSingleTapFours + 3 * kSquareFours) + 8 * 8 + 4;

// Which thread this is. Made where it is used, and addresses with it: registers are scarce.
struct SumThread {
  const int index = thread_index(), warp = index / 32, lane = index % 32;
};

template <int kSide>
class SquareSums {
 public:
  __device__ SquareSums(const GradientSquares& level, int64_t block)
      : level_(level),
        group_(block / level.shape.length),
        t_(static_cast<int>(block - group_ * level.shape.length)) {
  }

  __device__ __forceinline__ void run() const {
    begin();
    __syncthreads();
    put_factors([&](int, int, int64_t at) { return load(level_.amplitude, at); });
    __syncthreads();
    Four<float>* all = own(memory_.inverse);
    blur(memory_.plain, [&](int n, const float (&values)[4]) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        all[n * 32].at[i] = reciprocal(values[i]) * float(2 * kPi);
      }
      all[kSquareFours + n * 32] = all[2 * kSquareFours + n * 32] = {};
    });
    Values at_wraps = {};  // of k B(q), by columns
    Four<Halves> wraps[kTilesDown] = {};
    const int last = t_ < num_phase() ? t_ : num_phase();
#pragma unroll 1
    for (int i = 0; i <= last; ++i) {
      Values q;
      divide_grads(i, q);
      if (i == 0) {
        continue;
      }
      count_wraps(i, wraps);
      __syncthreads();  // factors of before have been read
      put_factors([&](int n, int half, int64_t at) {
        const Two<float> amplitude = load(level_.amplitude, at), k = wraps_of(wraps, n, half);
        return Two<float>{{amplitude.at[0] * k.at[0], amplitude.at[1] * k.at[1]}};
      });
      put_rows([&](int n) { return Four<float>{{q[n][0], q[n][1], q[n][2], q[n][3]}}; });
      __syncthreads();
      Four<float>* with_field = own(memory_.with_field);
      blur(memory_.plain, [&](int n, const float (&field)[4]) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          with_field[n * 32].at[j] += q[n][j] * field[j];
        }
      });
      blur(memory_.exchanged, [&](int n, const float (&blurred)[4]) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const Two<float> k = wraps_of(wraps, n, half);
#pragma unroll
          for (int j = 0; j < 2; ++j) {
            at_wraps[n][2 * half + j] += k.at[j] * blurred[2 * half + j];
          }
        }
      });
    }
    __syncthreads();
    finish(at_wraps);
  }

 private:
  using Planes = SquarePlanes<kSide>;
  using Values = float[kTilesAcross][4];
  using Means = float[2][2];

  __device__ int num_phase() const {
    return level_.shape.num_phase;
  }
  // The lane's part of a square: of the tiles of its warp's row of tiles.
  template <typename Part>
  __device__ __forceinline__ static Part* own(Part* square) {
    const SumThread self;
    return square + self.warp * kTilesAcross * 32 + self.lane;
  }

  __device__ __forceinline__ void begin() const {
    const SumThread self;
    if (self.warp == 0) {
      write_single_taps(self.lane, memory_.taps);
    }
    if (self.index == 0) {
      *memory_.high_bits = kHighBits;
    }
    for (int i = self.index; i < kTilesAcross * 32; i += kSumThreads) {
      memory_.zeros[i] = {};
    }
    const int plane = self.index;
    if (plane < Planes::count) {
      const WindowShape& shape = level_.shape;
      const int64_t wanted = group_ * Planes::count + plane;
      const int64_t unit = wanted < level_.units ? wanted : level_.units - 1;
      const int64_t video = unit / level_.nbands;
      const int band = static_cast<int>(unit % level_.nbands);
      memory_.origins[plane] = ((video * shape.length + t_) * level_.nbands + band) * Planes::area;
      memory_.targets[plane] = shape.output_plane(video, 0, level_.nbands, band, 0) * Planes::area;
    }
  }

  // A warp's row of tiles of what the factors are of, blurred.
  template <typename Visit>
  __device__ __forceinline__ void blur(const Four<float>* factors, const Visit& visit) const {
    const SumThread self;
    for_blurred_singles<kSide>(
        factors, memory_.zeros, memory_.taps, *memory_.high_bits, self.lane, self.warp, visit);
  }

  // Calls visit(n, half, where it lies in a plane in blocks) for the lane's pairs by columns, of
  // group `n` of rows and the `half`-th of the warp's two groups of columns.
  template <typename Visit>
  __device__ __forceinline__ void for_pairs(const Visit& visit) const {
    const SumThread self;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int across = 2 * self.warp + half;
      int64_t at = 0;
#pragma unroll
      for (int n = 0; n < kRowGroups; ++n) {
        if (Planes::within(n) == 0) {
          at = memory_.origins[Planes::at(n, across)] + Planes::within(across) * 64 + self.lane * 2;
        }
        visit(n, half, at + Planes::within(n) * (Planes::groups * 64));
      }
    }
  }
  __device__ __forceinline__ static Two<float> load(const float* from, int64_t at) {
    return *reinterpret_cast<const Two<float>*>(from + at);
  }

  // Writes what of(n, half, where a pair lies) gives, by columns, as factors.
  template <typename Of>
  __device__ __forceinline__ void put_factors(const Of& of) const {
    const SumThread self;
    Four<float>* to = memory_.plain + 2 * self.warp * 32 + self.lane;
    for_pairs([&](int n, int half, int64_t at) {
      const Two<float> values = of(n, half, at);
      to[(n * kTilesAcross + half) * 32] = cut_pair(values.at[0], values.at[1]);
    });
  }

  // Where the lane's pairs by rows lie as factors with the axes exchanged.
  __device__ __forceinline__ Four<float>* own_exchanged() const {
    const SumThread self;
    return memory_.exchanged + 2 * self.warp * 32 + self.lane;
  }

  // Writes of(tile), by rows, as such factors.
  template <typename Of>
  __device__ __forceinline__ void put_rows(const Of& of) const {
    Four<float>* to = own_exchanged();
#pragma unroll
    for (int n = 0; n < kTilesAcross; ++n) {
      const Four<float> values = of(n);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        to[(n * kRowGroups + half) * 32] = cut_pair(values.at[2 * half], values.at[2 * half + 1]);
      }
    }
  }

  // Adds the wraps i - 1 frames ago.
  __device__ __forceinline__ void count_wraps(int i, Four<Halves> (&wraps)[kTilesDown]) const {
    const SumThread self;
    const int64_t frame = group_ * level_.shape.length + t_ - (i - 1);
#pragma unroll
    for (int down = 0; down < kTilesDown; ++down) {
      const int at = (down * kTilesDown + self.warp) * 32 + self.lane;
      wraps[down] = sum_of(wraps[down], level_.wraps[frame * kFactorThreads + at]);
    }
  }
  __device__ __forceinline__ static Two<float> wraps_of(
      const Four<Halves> (&wraps)[kTilesDown], int n, int half) {
    Two<float> pair;
    to_floats(wraps[n / 2].at[half * 2 + n % 2], &pair.at[0], &pair.at[1]);
    return pair;
  }

  // By rows, what comes back through the clamp of the difference of frame t in the windows that
  // begin i frames before it, and its means by halves of the warp's rows and of the columns. False
  // where there is no window.
  __device__ __forceinline__ bool load_grads(int t, int i, Values& to, Means& means) const {
    const int first = static_cast<int>(level_.shape.first_window(t, i));
    const int last = static_cast<int>(level_.shape.last_window(t, i));
    if (first > last) {
      return false;
    }
    for_pairs_by_rows(last, t, [&](float& value, float grad) { value = grad; }, to);
#pragma unroll 1
    for (int window = first; window < last; ++window) {  // that begin before the video, too
      for_pairs_by_rows(window, t, [&](float& value, float grad) { value += grad; }, to);
    }
    const SumThread self;
    const int64_t place = (group_ * level_.shape.length + t) * num_phase() + i - 1;
    const uint32_t passes = level_.passes[place * kSumThreads + self.index];
    if (__ballot_sync(0xffffffffu, passes != kAllPass) != 0) {  // rarely
#pragma unroll
      for (int n = 0; n < kTilesAcross; ++n) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          to[n][j] = (passes & pass_bit(n, j)) != 0 ? to[n][j] : 0.0f;
        }
      }
    }
    const float* all = level_.means + place * Planes::count;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int side = 0; side < 2; ++side) {
        means[half][side] = all[Planes::at(2 * self.warp + half, side * kTilesAcross / 2)];
      }
    }
    return true;
  }

  template <typename Put>
  __device__ __forceinline__ void for_pairs_by_rows(
      int window, int t, const Put& put, Values& to) const {
    const int64_t to_window = planes_to_window(level_, window, t);
    for_grad_pairs<kSide, 2>(
        level_, memory_.targets, to_window, 2 * SumThread().warp, [&](int half, int n, auto pair) {
          put(to[n][2 * half], pair.at[0]);
          put(to[n][2 * half + 1], pair.at[1]);
        });
  }

  // q(t, i), times 2 pi, by rows; it is added to the sum too.
  __device__ __forceinline__ void divide_grads(int i, Values& q) const {
    Means means = {};
    if (i == 0 || !load_grads(t_, i, q, means)) {
#pragma unroll
      for (int i = 0; i < 4 * kTilesAcross; ++i) {
        q[i / 4][i % 4] = 0;
      }
    }
    Values next;
    Means next_means;
    if (i < num_phase() && t_ + 1 < level_.shape.length &&
        load_grads(t_ + 1, i + 1, next, next_means)) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        means[j / 2][j % 2] -= next_means[j / 2][j % 2];
#pragma unroll
        for (int n = 0; n < kTilesAcross; ++n) {
          q[n][j] -= next[n][j];
        }
      }
    }
    Four<float>* all = own(memory_.inverse);
#pragma unroll
    for (int n = 0; n < kTilesAcross; ++n) {
      const Four<float> by = all[n * 32];
      Four<float>& sum = all[kSquareFours + n * 32];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        q[n][j] = (q[n][j] - means[j / 2][n / (kTilesAcross / 2)]) * by.at[j];
        sum.at[j] += q[n][j];
      }
    }
  }

  // From the sums over windows, 2 pi times too large, to the coefficients.
  __device__ __forceinline__ void finish(const Values& at_wraps) const {
    put_factors([&](int, int, int64_t at) {
      const Two<float> amplitude = load(level_.amplitude, at), phase = load(level_.phase, at);
      return Two<float>{{amplitude.at[0] * phase.at[0], amplitude.at[1] * phase.at[1]}};
    });
    Four<float>* all = own(memory_.inverse);
    Four<float>*sums = all + kSquareFours, *with_field = all + 2 * kSquareFours;
    put_rows([&](int n) { return sums[n * 32]; });
    __syncthreads();
    blur(memory_.plain, [&](int n, const float (&values)[4]) {
      const Four<float> by = all[n * 32], sum = sums[n * 32];
      Four<float>& with_phase = with_field[n * 32];  // in its place
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float denoised = values[j] * by.at[j] * float(0.5 / kPi);
        with_phase.at[j] = sum.at[j] * denoised + with_phase.at[j] * by.at[j];
      }
    });
    blur(memory_.exchanged, [&](int n, const float (&values)[4]) {
      sums[n * 32] = {{values[0], values[1], values[2], values[3]}};  // in their place, by columns
    });
    __syncthreads();
    put_rows([&](int n) { return with_field[n * 32]; });
    __syncthreads();
    const SumThread self;
    blur(memory_.exchanged, [&](int n, const float (&values)[4]) {
      const Four<float> blurred = sums[n * 32];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int across = 2 * self.warp + half, plane = Planes::at(n, across);
        const int block = Planes::within(n) * Planes::groups + Planes::within(across);
        const int64_t at = memory_.origins[plane] + block * 64 + self.lane * 2;
        const Two<float> phase = load(level_.phase, at), amplitude = load(level_.amplitude, at);
        Two<Complex<float>> grads;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const int j = 2 * half + i;
          grads.at[i] = grad_of(
              phase.at[i],
              amplitude.at[i],
              blurred.at[j] * float(0.5 / kPi),
              at_wraps[n][j] - values[j] * float(0.5 / kPi));
        }
        if (Planes::count == 1 || group_ * Planes::count + plane < level_.units) {
          *reinterpret_cast<Two<Complex<float>>*>(level_.out + at) = grads;
        }
      }
    });
  }

  // Of a coefficient with this phase and amplitude, from B(Q) and what else its amplitude gives.
  __device__ __forceinline__ static Complex<float> grad_of(
      float phase, float amplitude, float blurred, float rest) {
    const float magnitude = amplitude - float(1e-10);
    const float da = phase * blurred + rest;
    const float dp = amplitude * blurred * reciprocal(magnitude);
    float sine, cosine;
    sine_and_cosine(phase, &sine, &cosine);
    // At zero neither phase nor amplitude has a derivative.
    return magnitude > 0 ? Complex<float>{da * cosine - dp * sine, da * sine + dp * cosine}
                         : Complex<float>{0.0f, 0.0f};
  }

  const GradientSquares& level_;
  const SquareSumsMemory memory_;
  const int64_t group_;
  const int t_;
};

static __global__ void __launch_bounds__(kSumThreads, 2)
    sum_squares(GradientSquares whole, GradientSquares half) {
#if !defined(__CUDA_ARCH__) || __CUDA_ARCH__ == 900  // as walk_square_clamps, which goes before
  const int64_t block = blockIdx.x, blocks = whole.groups * whole.shape.length;
  if (block < blocks) {
    SquareSums<kSquare>(whole, block).run();
  } else {
    SquareSums<kSquare / 2>(half, block - blocks).run();
  }
#endif
}

}  // namespace phasenet::cuda
