// The blur of blur.cuh as products with banded matrices on tensor cores, for squares of 48 x 48: a
// plane, or four planes of half the side that do not reach into each other. A square is 3 x 6 tiles
// of 16 x 8; a factor's rows come in six groups of 8. Banded matrices repeat along their diagonal
// and reach less than 8 to either side, so that three 8 x 8 blocks make all of both.
#pragma once

#include "blur.cuh"
#include "halves.cuh"

namespace phasenet::cuda {

constexpr int kSquare = 48, kTilesDown = 3, kTilesAcross = 6, kRowGroups = 6;
constexpr int kSquareTiles = kTilesDown * kTilesAcross;

// Blocks of taps before, at and behind the diagonal, as factors of 16 rows or columns need them:
// their registers have to be neighbours. Read from shared memory, as which a compiler keeps them
// so.
struct BlurBlocks {
  // at, before; behind, at: of a tile's rows and the two groups of its own, and of the columns of
  // an odd tile and the even one before it
  Four<Halves> rows;
  Four<Halves> edges;   // before, 0; 0, behind: of a tile's rows and the groups around its own
  Four<Halves> parted;  // as rows, where the upper ones end a plane and the lower ones begin one
};
constexpr int kBlockFours = 2 * 3 * 32;

// A tap, of a distance known only when running; zero where there is none.
__device__ __forceinline__ float tap_at(int distance) {
  float value = 0;
#pragma unroll
  for (int k = 0; k <= kReach; ++k) {
    value = distance == k || distance == -k ? tap<float>(k) : value;
  }
  return value;
}

// A warp's lanes write them: the upper halves of taps, then the lower ones.
__device__ __forceinline__ void write_blocks(int lane, Four<Halves>* out) {
  const int first = lane / 4 - lane % 4 * 2;
  const auto block = [&](int from) {
    return split(tap_at(from + first), tap_at(from + first - 1));
  };
  const SplitPair before = block(8), at = block(0), behind = block(-8);
  const auto write = [&](int part, Halves one, Halves two, Halves three) {
    out[part * 32 + lane] = {{two, one, three, two}};
    out[(part + 1) * 32 + lane] = {{one, 0, 0, three}};
    out[(part + 2) * 32 + lane] = {{two, 0, 0, two}};
  };
  write(0, before.high, at.high, behind.high);
  write(3, before.low, at.low, behind.low);
}

struct SplitBlocks {
  BlurBlocks high, low;
};

__device__ __forceinline__ SplitBlocks read_blocks(int lane, const Four<Halves>* from) {
  const auto part = [&](int i) { return from[i * 32 + lane]; };
  return {{part(0), part(1), part(2)}, {part(3), part(4), part(5)}};
}

// A square's values as right factors: of 8 rows and a tile's columns each.
struct SquareFactors {
  SplitPair at[kRowGroups][kTilesAcross];
};

// One tile blurred along y; groups of rows keep to the same pairs for all tiles, and so do tiles'
// columns below.
template <int kSide>
__device__ __forceinline__ void blur_down(
    const SplitBlocks& blocks, const SquareFactors& factors, int m, int n, float (&sum)[4]) {
  const bool parted = kSide < kSquare && m == 1;
  const auto add = [&](const BlurBlocks& of, const auto& factor) {
    // The tile's upper rows reach the group before its own two, its lower ones the group behind.
    if (m > 0) {
      add_product(sum, {of.edges.at[0], of.edges.at[1]}, factor(2 * m - 1));
    }
    if (m < kTilesDown - 1) {
      add_product(sum, {of.edges.at[2], of.edges.at[3]}, factor(2 * m + 2));
    }
    const Four<Halves>& rows = parted ? of.parted : of.rows;
    add_product(
        sum, {rows.at[0], rows.at[1]}, {rows.at[2], rows.at[3]}, factor(2 * m), factor(2 * m + 1));
  };
  const auto high = [&](int group) { return factors.at[group][n].high; };
  const auto low = [&](int group) { return factors.at[group][n].low; };
  // What is small comes first.
  add(blocks.high, low);
  add(blocks.low, high);
  add(blocks.high, high);
}

// A tile as left factors.
struct TileFactors {
  Columns8 high, low;
};

// One tile blurred along x too.
template <int kSide>
__device__ __forceinline__ void blur_across(
    const SplitBlocks& blocks, const TileFactors (&tiles)[kTilesAcross], int n, float (&sum)[4]) {
  constexpr int a_plane = kTilesAcross * kSide / kSquare;  // tiles
  const bool has_left = n % a_plane > 0, has_right = n % a_plane < a_plane - 1;
  const int even = n / 2 * 2;
  const auto add = [&](const BlurBlocks& of, const auto& tile) {
    const Halves at = of.rows.at[0], before = of.rows.at[1], behind = of.rows.at[2];
    if (n == even) {
      if (has_left) {
        add_product(sum, tile(n - 1), before);
      }
      has_right ? add_product(sum, tile(n + 1), tile(n), behind, of.rows.at[3])
                : add_product(sum, tile(n), at);
    } else {
      if (has_right) {
        add_product(sum, tile(n + 1), behind);
      }
      has_left ? add_product(sum, tile(n), tile(n - 1), at, before) : add_product(sum, tile(n), at);
    }
  };
  const auto high = [&](int tile) { return tiles[tile].high; };
  const auto low = [&](int tile) { return tiles[tile].low; };
  add(blocks.high, low);
  add(blocks.low, high);
  add(blocks.high, high);
}

// Calls prepare(n) before tiles n and n + 1 of row m are made of the factors, and visit(n, values)
// for each tile, blurred: columns 2 q and 2 q + 1 of row r, then of row r + 8.
template <int kSide, typename Prepare, typename Visit>
__device__ __forceinline__ void for_blurred_tiles(
    const SplitBlocks& blocks,
    const SquareFactors& factors,
    int m,
    const Prepare& prepare,
    const Visit& visit) {
  TileFactors tiles[kTilesAcross];
#pragma unroll
  for (int n = 0; n <= kTilesAcross; ++n) {
    if (n < kTilesAcross) {
      if (n % 2 == 0) {
        prepare(n);
      }
      float sum[4] = {};
      blur_down<kSide>(blocks, factors, m, n, sum);
      const SplitPair upper = split(sum[0], sum[1]), lower = split(sum[2], sum[3]);
      tiles[n] = {{upper.high, lower.high}, {upper.low, lower.low}};
    }
    if (n > 0) {
      float values[4] = {};
      blur_across<kSide>(blocks, tiles, n - 1, values);
      visit(n - 1, values);
    }
  }
}

}  // namespace phasenet::cuda
