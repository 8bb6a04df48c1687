// Tables of square_planes.cuh: cosines and filters of frames of 48 x 48, as factors of products on
// tensor cores (halves.cuh), in the order in which lanes read them.
#pragma once

#include "cosine_tables.cuh"
#include "halves.cuh"

namespace phasenet::cuda {

constexpr int kFrameSide = 48;

// A left factor of 16 x 16, of which a lane has 16 bytes of upper halves and 16 of lower ones.
struct LeftFactor {
  Four<Halves> high, low;
};

// One level's tables, in pieces of 16 bytes: cosines and sines of samples (rows) by frequencies,
// then the filter. Transposed, they are right factors (right_of). Sides count in steps of 16 or
// tiles of 8.
template <int kSide>
struct SquareTables {
  static constexpr int steps = (kSide + 15) / 16, tiles = kSide / 8;
  static constexpr int lefts = steps * steps * 64, rights = tiles * steps * 32;
  static constexpr int cosine = 0, sine = lefts, filter = 2 * lefts, size = filter + rights;
};

// Those of the frame: cosines of frequencies by samples.
using FrameTables = SquareTables<kFrameSide>;
constexpr int kForward = 0, kLevelOne = FrameTables::lefts;
constexpr int kLevelTwo = kLevelOne + FrameTables::size;
constexpr int kSquareTables = kLevelTwo + SquareTables<kFrameSide / 2>::size;

// The frame's samples as products count them: of 16 a lane has four neighbours, those of columns
// 2 q and 2 q + 1 of a tile and of the next one.
__host__ __device__ constexpr int frame_sample(int position) {
  const int i = position % 16;
  return position - i + i / 2 % 4 * 4 + i / 8 * 2 + i % 2;
}

// cos or sin of theta_k(sample) at level `number`; none behind the last.
__device__ inline float square_wave(int k, int sample, int number, bool is_sine) {
  const int side = kFrameSide >> (number - 1);
  if (k >= side || sample >= side) {
    return 0;
  }
  const int turns = k * (1 + (sample << number)) % (4 * kFrameSide);
  const double angle = double(turns) / (2 * kFrameSide);
  return static_cast<float>(is_sine ? sinpi(angle) : cospi(angle));
}

// The filter at the frequencies along a band's direction and across it, times kFilterScale.
constexpr double kFilterScale = 1024;  // and 4^(1 - number): that of the spectrum's halves

__device__ inline float square_filter(
    const Directions<double>& all, int along, int across, int number) {
  const int side = kFrameSide >> (number - 1);
  if (along >= side || across >= side) {
    return 0;
  }
  const CosineLevel level = cosine_level(kFrameSide, kFrameSide, 2 * side, 2 * side, number, 2);
  const double weight = summed_weight(level, all, 2, 0, 0, across, along);
  return static_cast<float>(weight * (kFilterScale / (4 * kFrameSide * kFrameSide)));
}

// 16 bytes of a left factor's tile, of value(row, column).
template <typename Value>
__device__ Four<Halves> left_piece(int i, int steps, const Value& value) {
  const int lane = i % 32, tile = i / 64;
  const int row = tile / steps * 16 + lane / 4, column = tile % steps * 16 + lane % 4 * 2;
  Four<Halves> piece;
  for (int part = 0; part < 4; ++part) {
    const int y = row + part % 2 * 8, x = column + part / 2 * 8;
    const SplitPair pair = split(value(y, x), value(y, x + 1));
    piece.at[part] = i / 32 % 2 == 0 ? pair.high : pair.low;
  }
  return piece;
}

// Of a level's filter, as a product's sums lie: frequencies along the band's direction by those
// across it.
template <int kSide>
__device__ inline Four<Halves> filter_piece(const Directions<double>& all, int i) {
  using Tables = SquareTables<kSide>;
  constexpr int number = kSide == kFrameSide ? 1 : 2;
  const int tile = i / 32, lane = i % 32;
  const int along = tile / Tables::tiles * 16 + lane / 4;
  const int across = tile % Tables::tiles * 8 + lane % 4 * 2;
  Four<Halves> piece;
  for (int part = 0; part < 4; ++part) {
    piece.at[part] =
        __float_as_uint(square_filter(all, along + part / 2 * 8, across + part % 2, number));
  }
  return piece;
}

// A piece of a level's tables, of samples by frequencies or, transposed, of frequencies by samples.
template <int kSide, bool transposed = false>
__device__ inline Four<Halves> level_piece(const Directions<double>& all, int i) {
  using Tables = SquareTables<kSide>;
  constexpr int number = kSide == kFrameSide ? 1 : 2;
  if (i < Tables::filter) {
    return left_piece(i % Tables::lefts, Tables::steps, [&](int row, int column) {
      const int k = transposed ? row : column, sample = transposed ? column : row;
      return square_wave(k, sample, number, i >= Tables::sine);
    });
  }
  return filter_piece<kSide>(all, i - Tables::filter);
}

static __global__ void square_tables(Directions<double> all, Four<Halves>* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < kLevelOne) {  // the frame's cosines, twice
    out[i] = left_piece(i, FrameTables::steps, [](int k, int position) {
      return 2 * square_wave(k, frame_sample(position), 1, false);
    });
  } else if (i < kLevelTwo) {
    out[i] = level_piece<kFrameSide>(all, i - kLevelOne);
  } else if (i < kSquareTables) {
    out[i] = level_piece<kFrameSide / 2>(all, i - kLevelTwo);
  }
}

}  // namespace phasenet::cuda
