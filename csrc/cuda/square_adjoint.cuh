// From gradients of the coefficients to those of frames of 48 x 48 with two bands at levels 1 and
// 2, the adjoint of square_planes.cuh: with A and B the gradients of a band's samples before they
// are turned by -i, its spectrum's is
//   Y = W (cos_along A cos_across + sin_along B cos_across),
// summed over levels, and the frame's is the adjoint of the cosine transform of that, summed over
// bands.
//
// A block makes one frame; each of its warps has a third of the frequencies along a band's
// direction, of both levels, up to the frame, of which the warps' parts are summed in shared
// memory. All else stays in registers, as in square_planes.cuh.
#pragma once

#include "filters.cuh"
#include "square_planes.cuh"

namespace phasenet::cuda {

// As PlaneThread, made anew and addresses with it: registers are scarce.
struct AdjointThread {
  const int index = thread_index(), warp = index / 32, lane = index % 32;
  const int r = lane / 4, q = lane % 4;
};

// Tables of both levels, transposed, then that of the frame: cosines of samples by frequencies.
constexpr int kAdjointTwo = FrameTables::size;
constexpr int kBack = kAdjointTwo + SquareTables<kFrameSide / 2>::size;
constexpr int kAdjointTables = kBack + FrameTables::lefts;

static __global__ void square_adjoint_tables(Directions<double> all, Four<Halves>* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < kAdjointTwo) {
    out[i] = level_piece<kFrameSide, true>(all, i);
  } else if (i < kBack) {
    out[i] = level_piece<kFrameSide / 2, true>(all, i - kAdjointTwo);
  } else if (i < kAdjointTables) {
    out[i] = left_piece(i - kBack, FrameTables::steps, [](int sample, int k) {
      return square_wave(k, sample, 1, false);
    });
  }
}

// The gradients of a level's coefficients as right factors, samples along a band's direction by
// those across it: of both bands A, then B.
template <int kSide>
constexpr int kGradFactors = 4 * SquareTables<kSide>::rights;
constexpr int kAllGradFactors = kGradFactors<kFrameSide> + kGradFactors<kFrameSide / 2>;
constexpr int64_t kSquareAdjointBytes = 16 * (kAllGradFactors + 1);  // and each warp's largest
// Between rows of a warp's part of the frame, so that stores share no banks.
constexpr int kPartStride = kFrameSide + 8;
static_assert(kPlaneWarps * kFrameSide * kPartStride <= 4 * kAllGradFactors);

// Calls visit(band, where a piece lies, a pair of coefficients' gradients, another) for each of the
// pieces of a level's factors that a lane has: neighbours along the band's direction, and those 8
// behind. Both bands lie in blocks of 8 x 8.
template <int kSide, typename Visit>
__device__ __forceinline__ void for_coefficient_grads(
    const Complex<float>* grads, const AdjointThread& self, const Visit& visit) {
  using Square = SquareTables<kSide>;
#pragma unroll
  for (int band = 0; band < 2; ++band) {
#pragma unroll
    for (int i = 0; i < Square::tiles * Square::steps / kPlaneWarps; ++i) {
      // Warps have a step each of all tiles or, of the smaller level, a tile.
      const int tile = kSide == kFrameSide ? i : self.warp;
      const int step = kSide == kFrameSide ? self.warp : i;
      Two<Complex<float>> pairs[2] = {};
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int group = 2 * step + half;  // of eight samples along the band's direction
        if (group >= Square::tiles) {
          continue;
        }
        const Complex<float>* from = grads + band * (kSide * kSide);
        if (band == 1) {  // upright
          from += (group * Square::tiles + tile) * 64 + self.lane * 2;
          pairs[half] = *reinterpret_cast<const Two<Complex<float>>*>(from);
        } else {
          from += (tile * Square::tiles + group) * 64 + self.q * 16 + self.r;
          pairs[half] = {{from[0], from[8]}};
        }
      }
      visit(band, (tile * Square::steps + step) * 32 + self.lane, pairs[0], pairs[1]);
    }
  }
}

__device__ __forceinline__ float largest_part(float than, const Two<Complex<float>>& pair) {
#pragma unroll
  for (const Complex<float>& value : pair.at) {
    // NaN stays out of it
    than = std::fmax(than, std::fmax(std::fabs(value.re), std::fabs(value.im)));
  }
  return than;
}

// Writes them as right factors, scaled.
template <int kSide>
__device__ __forceinline__ void put_coefficient_grads(
    const Complex<float>* grads, float scale, Four<Halves>* factors) {
  const AdjointThread self;  // and so addresses anew, for which there are no registers
  using Pair = Two<Complex<float>>;
  for_coefficient_grads<kSide>(
      grads, self, [&](int band, int at, const Pair& one, const Pair& two) {
        const auto piece = [&](const auto& part) {
          const SplitPair upper = split(part(one.at[0]) * scale, part(one.at[1]) * scale);
          const SplitPair lower = split(part(two.at[0]) * scale, part(two.at[1]) * scale);
          return Four<Halves>{{upper.high, lower.high, upper.low, lower.low}};
        };
        Four<Halves>* to = factors + 2 * band * SquareTables<kSide>::rights + at;
        to[0] = piece([](const Complex<float>& value) { return -value.im; });
        to[SquareTables<kSide>::rights] =
            piece([](const Complex<float>& value) { return value.re; });
      });
}

// Writes the gradients of both levels as right factors, scaled by a power of two, of which the
// biased exponent is returned, that makes the frame's largest 1 to 2: by Parseval's equation all
// that follows then stays below 65504, what halves hold.
__device__ __forceinline__ uint32_t load_coefficient_grads(
    const Complex<float>* first,
    const Complex<float>* second,
    const AdjointThread& self,
    Four<Halves>* factors) {
  float peak = 0;
  const auto visit = [&](int, int, const auto& one, const auto& two) {
    peak = largest_part(largest_part(peak, one), two);
  };
  for_coefficient_grads<kFrameSide>(first, self, visit);
  for_coefficient_grads<kFrameSide / 2>(second, self, visit);
  uint32_t* peaks = reinterpret_cast<uint32_t*>(factors + kAllGradFactors);
  const uint32_t exponent = largest_exponent(peak, self.warp, self.lane, peaks);
  const uint32_t scale_exponent = exponent == 255 ? 127 : (exponent == 254 ? 1 : 254 - exponent);
  const float scale = __uint_as_float(scale_exponent << 23);
  // Read again: there are no registers for all of them.
  put_coefficient_grads<kFrameSide>(first, scale, factors);
  put_coefficient_grads<kFrameSide / 2>(second, scale, factors + kGradFactors<kFrameSide>);
  return scale_exponent;
}

// Adds a level's part to the gradient of a band's spectrum: 16 frequencies along its direction, the
// `part`-th, by all across it.
template <int kSide>
__device__ __forceinline__ void add_spectrum(
    const Four<Halves>* tables,
    int lane,
    int part,
    const Four<Halves>* factors,
    float weight,
    float (&sums)[FrameTables::tiles][4]) {
  using Tables = SquareTables<kSide>;
  constexpr int steps = Tables::steps, tiles = Tables::tiles;
  if (2 * part >= tiles) {
    return;
  }
  float along[tiles][4] = {};
  const auto add = [&](int table, const Four<Halves>* rights) {
    add_split_products<kSide>(
        along,
        [&](int step) { return left_of(tables + table + lane, part * steps + step); },
        [&](int n, int step) { return rights[(n * steps + step) * 32 + lane]; });
  };
  add(Tables::cosine, factors);
  add(Tables::sine, factors + Tables::rights);
  const SplitRow<tiles> row(along);  // frequencies along by samples across
  float both[tiles][4] = {};
  add_split_products<kSide>(
      both,
      [&](int step) { return row.left(step); },
      [&](int n, int step) {
        return right_of(tables + Tables::cosine + lane, n / 2 * steps + step, n % 2);
      });
#pragma unroll
  for (int n = 0; n < tiles; ++n) {
    const Four<Halves> bits = tables[Tables::filter + (part * tiles + n) * 32 + lane];
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      sums[n][j] += both[n][j] * (__uint_as_float(bits.at[j]) * weight);
    }
  }
}

// A warp's part of the frame, 16 of its rows by all columns: from 16 of the frequencies along x of
// the band along x, and 16 of those along y of the other band.
__device__ __forceinline__ void put_rows(
    const Four<Halves>* tables,
    const AdjointThread& self,
    int part,
    const SplitRow<FrameTables::tiles>& flat,
    const SplitRow<2> (&columns)[FrameTables::steps],
    float* out) {
  constexpr int steps = FrameTables::steps, tiles = FrameTables::tiles;
  float rows[2][4] = {};  // by 16 frequencies along x
  add_split_products<kFrameSide>(
      rows,
      [&](int step) { return left_of(tables + kBack + self.lane, part * steps + step); },
      [&](int n, int step) { return flat.right(n, step); });
  const SplitRow<2> of_rows(rows);
  float sums[tiles][4] = {};
  add_split_products<16>(
      sums,
      [&](int) { return of_rows.left(0); },
      [&](int n, int) {
        return right_of(tables + kBack + self.lane, n / 2 * steps + self.warp, n % 2);
      });
  add_split_products<16>(
      sums,
      [&](int) { return left_of(tables + kBack + self.lane, part * steps + self.warp); },
      [&](int n, int) { return columns[n / 2].right(n % 2, 0); });
#pragma unroll
  for (int n = 0; n < tiles; ++n) {
    float* to = out + (part * 16 + self.r) * kPartStride + n * 8 + self.q * 2;
    *reinterpret_cast<Two<float>*>(to) = {{sums[n][0], sums[n][1]}};
    *reinterpret_cast<Two<float>*>(to + 8 * kPartStride) = {{sums[n][2], sums[n][3]}};
  }
}

// Of one frame a block, from the gradients of both levels' coefficients, in blocks of 8 x 8 as
// planes are.
static __global__ void __launch_bounds__(kPlaneThreads, 2) frames_of_squares(
    const Complex<float>* first,
    const Complex<float>* second,
    const Four<Halves>* tables,
    float* out) {
  constexpr int whole = kFrameSide, half = kFrameSide / 2;
  constexpr int steps = FrameTables::steps, tiles = FrameTables::tiles;
  const int64_t frame = blockIdx.x;
  const AdjointThread self;
  Four<Halves>* factors = shared_memory<Four<Halves>>();
  const uint32_t exponent = load_coefficient_grads(
      first + frame * (2 * whole * whole), second + frame * (2 * half * half), self, factors);
  __syncthreads();
  // A band's spectrum is parked where its factors were.
  const auto parked = [&](int band, int n) -> Four<float>& {
    Four<Halves>* place = factors + 2 * band * SquareTables<whole>::rights;
    return reinterpret_cast<Four<float>*>(place)[(self.warp * tiles + n) * 32 + self.lane];
  };
#pragma unroll 1
  for (int band = 0; band < 2; ++band) {
    float sums[tiles][4] = {};
    const Four<Halves>* of_band = factors + 2 * band * SquareTables<whole>::rights;
    add_spectrum<whole>(tables, self.lane, self.warp, of_band, 1.0f, sums);
    of_band = factors + kGradFactors<whole> + 2 * band * SquareTables<half>::rights;
    add_spectrum<half>(tables + kAdjointTwo, self.lane, self.warp, of_band, 4.0f, sums);
    __syncthreads();  // they have been read
#pragma unroll
    for (int n = 0; n < tiles; ++n) {
      parked(band, n) = {{sums[n][0], sums[n][1], sums[n][2], sums[n][3]}};
    }
  }
  const auto spectrum_of = [&](int band) {
    float sums[tiles][4];
#pragma unroll
    for (int n = 0; n < tiles; ++n) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sums[n][j] = parked(band, n).at[j];
      }
    }
    return SplitRow<tiles>(sums);
  };
  const auto columns_of = [&](const SplitRow<tiles>& upright, int part) {
    float columns[2][4] = {};  // 16 samples along x by 16 frequencies along y
    add_split_products<whole>(
        columns,
        [&](int step) { return left_of(tables + kBack + self.lane, part * steps + step); },
        [&](int n, int step) { return upright.right(n, step); });
    return SplitRow<2>(columns);
  };
  const SplitRow<tiles> upright = spectrum_of(1);
  const SplitRow<2> columns[steps] = {
      columns_of(upright, 0), columns_of(upright, 1), columns_of(upright, 2)};
  const SplitRow<tiles> flat = spectrum_of(0);
  __syncthreads();  // what was parked has been read
  float* parts = shared_memory<float>();
  constexpr int part_size = whole * kPartStride;
#pragma unroll 1
  for (int part = 0; part < steps; ++part) {
    put_rows(tables, self, part, flat, columns, parts + self.warp * part_size);
  }
  __syncthreads();
  // The transform's cosines are twice the tables'.
  const float scale = __uint_as_float((254 - exponent) << 23) * (4 / float(kFilterScale));
  constexpr int fours = whole / 4;
  for (int i = static_cast<int>(threadIdx.x); i < whole * fours; i += kPlaneThreads) {
    const float* from = parts + i / fours * kPartStride + i % fours * 4;
    Four<float> sum = {};
#pragma unroll
    for (int warp = 0; warp < kPlaneWarps; ++warp) {
      const Four<float> part = *reinterpret_cast<const Four<float>*>(from + warp * part_size);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum.at[j] += part.at[j];
      }
    }
#pragma unroll
    for (float& value : sum.at) {
      value *= scale;
    }
    reinterpret_cast<Four<float>*>(out)[frame * (whole * fours) + i] = sum;
  }
}

}  // namespace phasenet::cuda
