// Planes of frames of 48 x 48 with two bands at levels 1 and 2, in single precision, as
// cosine_planes.cuh tells, by products on tensor cores. Of two bands the sums of the filter's signs
// are equal, A = C and A = B, and with the axes exchanged they are each other's. With X the
// spectrum, W the filter, both with the frequencies along a band's direction and across it, the
// band is cos_across W X (cos_along + i sin_along): one product across and two along.
//
// A block makes one frame; each of its warps has a third of the frequencies until the weighted
// spectra lie in shared memory, then a third of the samples. All else stays in registers: a
// product's sums are the next one's left factor as they lie or, transposed, its right one.
#pragma once

#include "polar.cuh"
#include "square_tables.cuh"

namespace phasenet::cuda {

constexpr int kPlaneWarps = FrameTables::steps;
constexpr int kPlaneThreads = 32 * kPlaneWarps;
// In pieces of 16 bytes: of each level both bands' spectra, in whose place the frame lies before.
constexpr int kSpectra = 2 * FrameTables::rights + 2 * SquareTables<kFrameSide / 2>::rights;
constexpr int64_t kPlaneBytes = 16 * (kSpectra + 1);  // and each warp's largest sample
static_assert(kPlaneWarps <= 4);

struct PlaneThread {
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int r = lane / 4, q = lane % 4;  // of factors and sums, see halves.cuh
};

// What a lane has of a row of tiles of sums, as halves.
template <int kTiles>
struct SplitRow {
  SplitPair upper[kTiles], lower[kTiles];

  __device__ __forceinline__ explicit SplitRow(const float (&sums)[kTiles][4]) {
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      upper[n] = split(sums[n][0], sums[n][1]);
      lower[n] = split(sums[n][2], sums[n][3]);
    }
  }
  // Two tiles as left factor; what lies behind the last one is not used.
  __device__ __forceinline__ LeftFactor left(int step) const {
    const int a = 2 * step, b = a + 1 < kTiles ? a + 1 : a;
    return {
        {{upper[a].high, lower[a].high, upper[b].high, lower[b].high}},
        {{upper[a].low, lower[a].low, upper[b].low, lower[b].low}}};
  }
  // Of the upper or the lower rows of two tiles, transposed.
  __device__ __forceinline__ Four<Halves> right(int half, int step) const {
    const int a = 2 * step, b = a + 1 < kTiles ? a + 1 : a;
    const SplitPair(&rows)[kTiles] = half == 0 ? upper : lower;
    return {{rows[a].high, rows[b].high, rows[a].low, rows[b].low}};
  }
};

// sums [16, 8 kTiles] += left [16, kDepth] right [kDepth, 8 kTiles], of left(step) and
// right(tile, step), without what lower halves make of lower ones. What is small comes first.
template <int kDepth, int kTiles, typename Left, typename Right>
__device__ __forceinline__ void add_split_products(
    float (&sums)[kTiles][4], const Left& left, const Right& right) {
#pragma unroll
  for (int step = 0; step < SquareTables<kDepth>::steps; ++step) {
    const LeftFactor a = left(step);
    Four<Halves> b[kTiles];
#pragma unroll
    for (int n = 0; n < kTiles; ++n) {
      b[n] = right(n, step);
    }
    const auto add = [&](const Four<Halves>& rows, int part) {
#pragma unroll
      for (int n = 0; n < kTiles; ++n) {
        if (16 * step + 16 <= kDepth) {
          add_product(
              sums[n],
              {rows.at[0], rows.at[1]},
              {rows.at[2], rows.at[3]},
              b[n].at[part],
              b[n].at[part + 1]);
        } else {
          add_product(sums[n], {rows.at[0], rows.at[1]}, b[n].at[part]);
        }
      }
    };
    add(a.high, 2);
    add(a.low, 0);
    add(a.high, 0);
  }
}

__device__ __forceinline__ LeftFactor left_of(const Four<Halves>* tiles, int tile) {
  return {tiles[tile * 64], tiles[tile * 64 + 32]};
}

// The biased exponent of the largest of the block's numbers, of which a thread has one that is not
// negative; `peaks` is a word a warp, in shared memory.
__device__ __forceinline__ uint32_t
largest_exponent(float number, int warp, int lane, uint32_t* peaks) {
  uint32_t largest = __reduce_max_sync(0xffffffffu, __float_as_uint(number));
  if (lane == 0) {
    peaks[warp] = largest;
  }
  __syncthreads();
#pragma unroll
  for (int other = 0; other < kPlaneWarps; ++other) {
    largest = peaks[other] > largest ? peaks[other] : largest;
  }
  return largest >> 23;
}

// Half of a tile, transposed, as right factor.
__device__ __forceinline__ Four<Halves> right_of(const Four<Halves>* tiles, int tile, int half) {
  const LeftFactor rows = left_of(tiles, tile);
  return {{rows.high.at[half], rows.high.at[half + 2], rows.low.at[half], rows.low.at[half + 2]}};
}

// Writes the frame as right factors, samples along x by rows: [6 tiles, 3 steps, 32]. It is scaled
// by a power of two, of which the biased exponent is returned, that makes its largest 2 to 4: the
// spectrum and all that follows then stays below 65504, what halves hold.
template <typename In>
__device__ __forceinline__ uint32_t
load_frame(const In* frame, const PlaneThread& self, Four<Halves>* factors, uint32_t* peaks) {
  float values[FrameTables::tiles][4], peak = 0;
  const bool aligned = reinterpret_cast<uintptr_t>(frame) % sizeof(Four<In>) == 0;
#pragma unroll
  for (int n = 0; n < FrameTables::tiles; ++n) {
    const In* from =
        frame + frame_sample(8 * n + self.r) * kFrameSide + self.warp * 16 + self.q * 4;
    Four<In> samples;
    if (aligned) {
      samples = *reinterpret_cast<const Four<In>*>(from);
    } else {
      samples = {{from[0], from[1], from[2], from[3]}};
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const auto sample = static_cast<float>(samples.at[i]);
      values[n][i] = std::is_same_v<In, uint8_t> ? sample / 255.0f : sample;
      peak = std::fmax(peak, std::fabs(values[n][i]));  // NaN stays out of it
    }
  }
  const uint32_t exponent = largest_exponent(peak, self.warp, self.lane, peaks);
  const uint32_t scale_exponent = exponent == 0 ? 254 : (exponent == 255 ? 127 : 255 - exponent);
  const float scale = __uint_as_float(scale_exponent << 23);
#pragma unroll
  for (int n = 0; n < FrameTables::tiles; ++n) {
    const SplitPair one = split(values[n][0] * scale, values[n][1] * scale);
    const SplitPair two = split(values[n][2] * scale, values[n][3] * scale);
    factors[(n * FrameTables::steps + self.warp) * 32 + self.lane] = {
        {one.high, two.high, one.low, two.low}};
  }
  return scale_exponent;
}

// Weights two tiles of a spectrum, frequencies 16 m ... along a band's direction by 16 k ... across
// it, and writes them as right factors.
template <int kSide>
__device__ __forceinline__ void put_weighted(
    const Four<Halves>* level,
    int lane,
    int m,
    int k,
    const float (&one)[4],
    const float (&two)[4],
    Four<Halves>* spectrum) {
  using Tables = SquareTables<kSide>;
  if (2 * m >= Tables::tiles || 2 * k >= Tables::tiles) {
    return;
  }
  SplitPair upper[2] = {}, lower[2] = {};
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    if (2 * k + i < Tables::tiles) {
      const Four<Halves> bits = level[Tables::filter + (m * Tables::tiles + 2 * k + i) * 32 + lane];
      const float (&sums)[4] = i == 0 ? one : two;
      float values[4];
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        values[j] = sums[j] * __uint_as_float(bits.at[j]);
      }
      upper[i] = split(values[0], values[1]);
      lower[i] = split(values[2], values[3]);
    }
  }
  Four<Halves>* to = spectrum + (2 * m * Tables::steps + k) * 32 + lane;
  to[0] = {{upper[0].high, upper[1].high, upper[0].low, upper[1].low}};
  if (2 * m + 1 < Tables::tiles) {
    to[Tables::steps * 32] = {{lower[0].high, lower[1].high, lower[0].low, lower[1].low}};
  }
}

// Phase and amplitude of a tile, columns by rows: samples x = 16 m ... by y = 8 n ...
template <int kSide>
struct PlaneWriter {
  const PlaneThread& self;
  const Planes<float>& planes;
  int64_t plane;
  float scale;  // of amplitudes

  __device__ __forceinline__ void operator()(
      int m, int n, const float (&re)[4], const float (&im)[4]) const {
    constexpr int tiles = kSide / 8;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (2 * m + half < tiles) {
        Two<float> phase, amplitude;
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          const float a = re[2 * half + i], b = im[2 * half + i];
          phase.at[i] = phase_of(-a, b);  // times -i, as of every second band
          amplitude.at[i] = magnitude_of(a, b) * scale + 1e-10f;
        }
        const int64_t at =
            plane * (kSide * kSide / 2) + (n * tiles + 2 * m + half) * 32 + self.lane;
        reinterpret_cast<Two<float>*>(planes.phase)[at] = phase;
        reinterpret_cast<Two<float>*>(planes.amplitude)[at] = amplitude;
      }
    }
  }
};

// A band's samples from its weighted spectrum: those of 16 rows or columns, `part` of them, which
// lie across its direction, which is that of y if it is `upright`.
template <int kSide, bool upright, typename Put>
__device__ __forceinline__ void make_samples(
    const Four<Halves>* level, int lane, int part, const Four<Halves>* spectrum, const Put& put) {
  using Tables = SquareTables<kSide>;
  constexpr int steps = Tables::steps, tiles = Tables::tiles;
  float sums[tiles][4] = {};
  add_split_products<kSide>(
      sums,
      [&](int step) { return left_of(level + Tables::cosine + lane, part * steps + step); },
      [&](int n, int step) { return spectrum[(n * steps + step) * 32 + lane]; });
  const SplitRow<tiles> row(sums);  // samples across by frequencies along
#pragma unroll(kSide == kFrameSide ? 1 : 2)
  for (int i = 0; i < steps; ++i) {
    float re[2][4] = {}, im[2][4] = {};
    const auto add = [&](float (&to)[2][4], int table) {
      const Four<Halves>* waves = level + table + lane;
      if constexpr (upright) {
        add_split_products<kSide>(
            to,
            [&](int step) { return row.left(step); },
            [&](int n, int step) { return right_of(waves, i * steps + step, n); });
      } else {
        add_split_products<kSide>(
            to,
            [&](int step) { return left_of(waves, i * steps + step); },
            [&](int n, int step) { return row.right(n, step); });
      }
    };
    add(re, Tables::cosine);
    add(im, Tables::sine);
#pragma unroll
    for (int n = 0; n < 2; ++n) {
      const int down = 2 * (upright ? i : part) + n;
      if (down < tiles) {
        put(upright ? part : i, down, re[n], im[n]);
      }
    }
  }
}

// Of frames from `frames` on, one a block. Planes lie in blocks (Planes::in_blocks).
template <typename In>
__global__ void __launch_bounds__(kPlaneThreads, 5) planes_of_squares(
    const In* frames, const Four<Halves>* tables, Planes<float> first, Planes<float> second) {
  constexpr int half = kFrameSide / 2, whole = kFrameSide;
  const int64_t frame = blockIdx.x;
  const PlaneThread self;
  Four<Halves>* spectra = shared_memory<Four<Halves>>();  // of both bands
  Four<Halves>* half_spectra = spectra + 2 * FrameTables::rights;
  const Four<Halves>*level_one = tables + kLevelOne, *level_two = tables + kLevelTwo;
  const uint32_t exponent = load_frame(
      frames + frame * (whole * whole),
      self,
      spectra,
      reinterpret_cast<uint32_t*>(spectra + kSpectra));
  __syncthreads();
  float sums[FrameTables::tiles][4] = {};
  add_split_products<whole>(
      sums,
      [&](int step) {
        return left_of(tables + kForward + self.lane, self.warp * FrameTables::steps + step);
      },
      [&](int n, int step) { return spectra[(n * FrameTables::steps + step) * 32 + self.lane]; });
  const SplitRow<FrameTables::tiles> rows(sums);  // frequencies along x by the frame's rows
  const auto put = [&](int band, int m, int k, const float (&one)[4], const float (&two)[4]) {
    put_weighted<whole>(level_one, self.lane, m, k, one, two, spectra + band * FrameTables::rights);
    put_weighted<half>(
        level_two, self.lane, m, k, one, two, half_spectra + band * SquareTables<half>::rights);
  };
  {
    float spectrum[FrameTables::tiles][4] = {};  // frequencies along x by those along y
    add_split_products<whole>(
        spectrum,
        [&](int step) { return rows.left(step); },
        [&](int n, int step) {
          return right_of(tables + kForward + self.lane, n / 2 * FrameTables::steps + step, n % 2);
        });
    __syncthreads();  // the frame has been read, and not only just: its loads take registers
#pragma unroll
    for (int k = 0; k < FrameTables::steps; ++k) {
      put(0, self.warp, k, spectrum[2 * k], spectrum[2 * k + 1]);
    }
  }
#pragma unroll 1
  for (int m = 0; m < FrameTables::steps; ++m) {
    float spectrum[2][4] = {};  // frequencies along y by those along x
    add_split_products<whole>(
        spectrum,
        [&](int step) {
          return left_of(tables + kForward + self.lane, m * FrameTables::steps + step);
        },
        [&](int n, int step) { return rows.right(n, step); });
    put(1, m, self.warp, spectrum[0], spectrum[1]);
  }
  __syncthreads();
  const float scale = __uint_as_float((254 - exponent) << 23) / float(kFilterScale);
  make_samples<whole, false>(
      level_one, self.lane, self.warp, spectra, PlaneWriter<whole>{self, first, 2 * frame, scale});
  make_samples<whole, true>(
      level_one,
      self.lane,
      self.warp,
      spectra + FrameTables::rights,
      PlaneWriter<whole>{self, first, 2 * frame + 1, scale});
  // The first 16 samples of either band are the first two warps', the last 8 of both the third's.
  const auto make_flat = [&](int part) {
    make_samples<half, false>(
        level_two,
        self.lane,
        part,
        half_spectra,
        PlaneWriter<half>{self, second, 2 * frame, 4 * scale});
  };
  const auto make_upright = [&](int part) {
    make_samples<half, true>(
        level_two,
        self.lane,
        part,
        half_spectra + SquareTables<half>::rights,
        PlaneWriter<half>{self, second, 2 * frame + 1, 4 * scale});
  };
  if (self.warp == 0) {
    make_flat(0);
  } else if (self.warp == 1) {
    make_upright(0);
  } else {
    make_flat(1);
    make_upright(1);
  }
}

}  // namespace phasenet::cuda
