// The blur of blur.cuh as products with banded matrices on tensor cores, for squares of 48 x 48: a
// plane, or four planes of half the side that do not reach into each other. A square is 3 x 6 tiles
// of 16 rows and 8 columns; a factor's rows come in six groups of 8. The bands are the left factor
// along y and then along x too: sums along y are the right factor of the next product, transposed.
#pragma once

#include "blur.cuh"
#include "halves.cuh"

namespace phasenet::cuda {

constexpr int kSquare = 48, kTilesDown = 3, kTilesAcross = 6, kRowGroups = 6;
constexpr int kSquareTiles = kTilesDown * kTilesAcross;

// Taps of 16 samples out of the groups of 8 around them, as left factors. Their rows are the even
// samples and then the odd ones, so that of the last product a lane has two neighbours along x.
struct BlurBlocks {
  Four<Halves> rows;    // of the samples' own two groups
  Four<Halves> edges;   // of the group behind them and of that before
  Four<Halves> parted;  // as rows, where the first 8 samples end a plane and the others begin one
};
struct SplitBlocks {
  BlurBlocks high, low;
};
constexpr int kBlockFours = 2 * 3 * 32;

// The same as single halves, where results are rounded to 16 bits. Each group is there twice: one
// product takes upper and lower halves of a right factor's group. Taps are scaled so that they lie
// beside halves, at most 6.7e-5 of a tap away. The blur is a little different then, but always the
// same, so that differences of phases are off by about as small a part of them, however small.
struct ShortBlocks {
  Four<Halves> rows[2], edges[2], parted[2];
};
constexpr float kShortScale = 1.0634069f;
template <bool kShort>
using Blocks = std::conditional_t<kShort, ShortBlocks, SplitBlocks>;

// A tap, of a distance known only when running; zero where there is none.
__device__ __forceinline__ float tap_at(int distance) {
  float value = 0;
#pragma unroll
  for (int k = 0; k <= kReach; ++k) {
    value = distance == k || distance == -k ? tap<float>(k) : value;
  }
  return value;
}

// A warp's lanes write them, split ones as the upper halves of taps, then the lower ones.
template <bool kShort>
__device__ __forceinline__ void write_blocks(int lane, Four<Halves>* out) {
  const int sample = lane / 4 * 2, column = lane % 4 * 2;
  const auto block = [&](int odd, int from) {
    const int distance = sample + odd - column - from;
    const float scale = kShort ? kShortScale : 1.0f;
    return split(tap_at(distance) * scale, tap_at(distance - 1) * scale);
  };
  Four<Halves> pieces[6];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const SplitPair row = block(i % 2, i / 2 * 8), edge = block(i % 2, i < 2 ? 16 : -8);
    const bool own = (sample < 8) == (i < 2);
    if constexpr (kShort) {
#pragma unroll
      for (int twice = i % 2; twice < 4; twice += 2) {
        pieces[i / 2].at[twice] = row.high;
        pieces[2 + i / 2].at[twice] = edge.high;
        pieces[4 + i / 2].at[twice] = own ? row.high : 0;
      }
      continue;
    }
    const auto write = [&](Four<Halves>* part, Halves of_row, Halves of_edge) {
      part[0].at[i] = of_row;
      part[1].at[i] = of_edge;
      part[2].at[i] = own ? of_row : 0;
    };
    write(pieces, row.high, edge.high);
    write(pieces + 3, row.low, edge.low);
  }
#pragma unroll
  for (int part = 0; part < 6; ++part) {
    out[part * 32 + lane] = pieces[part];
  }
}

// Neighbours in registers, as products need them.
template <bool kShort>
__device__ __forceinline__ Blocks<kShort> read_blocks(int lane, const Four<Halves>* from) {
  const auto part = [&](int i) { return from[i * 32 + lane]; };
  if constexpr (kShort) {
    return {{part(0), part(1)}, {part(2), part(3)}, {part(4), part(5)}};
  } else {
    return {{part(0), part(1), part(2)}, {part(3), part(4), part(5)}};
  }
}

// Two groups of 8 of a square's rows as a right factor, as the sum of two halves each.
struct SplitRights {
  struct {
    Halves first, second;
  } high, low;
};

// As they lie in memory: what an edge takes is side by side.
__device__ __forceinline__ Four<Halves> four_of(SplitPair first, SplitPair second) {
  return {{first.high, first.low, second.high, second.low}};
}
__device__ __forceinline__ SplitRights rights_of(const Four<Halves>& from) {
  return {{from.at[0], from.at[2]}, {from.at[1], from.at[3]}};
}

// sum [16, 8] += 16 samples of a square, `m` sixteens behind its begin, blurred along a column;
// around[i] are the samples' groups of 8 at the i-th sixteen.
template <int kSide, typename Around>
__device__ __forceinline__ void blur_sixteen(
    const SplitBlocks& blocks, int m, const Around& around, float (&sum)[4]) {
  const bool parted = kSide < kSquare && m == 1;
  const auto add = [&](const BlurBlocks& of, const auto& part) {
    if (m < kTilesDown - 1) {
      add_product(sum, {of.edges.at[0], of.edges.at[1]}, part(m + 1).first);
    }
    if (m > 0) {
      add_product(sum, {of.edges.at[2], of.edges.at[3]}, part(m - 1).second);
    }
    const Four<Halves>& rows = parted ? of.parted : of.rows;
    add_product(
        sum, {rows.at[0], rows.at[1]}, {rows.at[2], rows.at[3]}, part(m).first, part(m).second);
  };
  const auto high = [&](int i) { return around(i).high; };
  const auto low = [&](int i) { return around(i).low; };
  // What is small comes first.
  add(blocks.high, low);
  add(blocks.low, high);
  add(blocks.high, high);
}
template <int kSide, typename Around>
__device__ __forceinline__ void blur_sixteen(
    const ShortBlocks& blocks, int m, const Around& around, float (&sum)[4]) {
  const auto& rows = kSide < kSquare && m == 1 ? blocks.parted : blocks.rows;
  const auto add = [&](const Four<Halves>& taps, Halves high, Halves low) {
    add_product(sum, {taps.at[0], taps.at[1]}, {taps.at[2], taps.at[3]}, high, low);
  };
  if (m < kTilesDown - 1) {
    add(blocks.edges[0], around(m + 1).high.first, around(m + 1).low.first);
  }
  if (m > 0) {
    add(blocks.edges[1], around(m - 1).high.second, around(m - 1).low.second);
  }
  add(rows[0], around(m).high.first, around(m).low.first);
  add(rows[1], around(m).high.second, around(m).low.second);
}

// Right factor that takes a left one off sums, whose columns are exchanged in pairs.
__device__ __forceinline__ Halves minus_exchanged(int lane) {
  const int row = lane % 4 * 2, column = lane / 4;
  return column == row + 1 ? 0xbc00u : (column == row ? 0xbc000000u : 0u);
}

// 16 rows of a square that are blurred along y, of every 16 columns: of a lane the pairs of row
// 2 r, then of 2 r + 1.
struct BlurredRows {
  SplitRights at[2][kTilesDown];
};

// A tile's sums as part of right factors, transposed. What their upper halves leave over is a
// product as well, exactly: `minus` is minus_exchanged. The halves are made again for it,
// exchanged, since in registers they have to lie beside others there.
__device__ __forceinline__ void put_sums(Halves minus, float (&sum)[4], int n, BlurredRows& rows) {
  const Halves upper = halves(sum[0], sum[1]), lower = halves(sum[2], sum[3]);
  add_product(sum, {halves(sum[1], sum[0]), halves(sum[3], sum[2])}, minus);
  const auto put = [&](SplitRights& to, Halves high, Halves low) {
    (n % 2 == 0 ? to.high.first : to.high.second) = high;
    (n % 2 == 0 ? to.low.first : to.low.second) = low;
  };
  put(rows.at[0][n / 2], upper, halves(sum[0], sum[1]));
  put(rows.at[1][n / 2], lower, halves(sum[2], sum[3]));
}

// Calls visit(across, half, values) for half of the rows of each 16 columns, blurred along x too,
// as soon as all they need is there, `pair` being the last 16 columns that are. A lane has columns
// 2 r and 2 r + 1 of the rows 4 q + half (values 0 and 2) and 4 q + half + 2.
template <int kSide, typename Blocks, typename Visit>
__device__ __forceinline__ void blur_across(
    const Blocks& blocks, const BlurredRows& rows, int pair, const Visit& visit) {
#pragma unroll
  for (int across = 0; across < kTilesDown; ++across) {
    // They reach into the next 16 columns.
    if (pair != (across < kTilesDown - 1 ? across + 1 : across)) {
      continue;
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float values[4] = {};
      blur_sixteen<kSide>(blocks, across, [&](int i) { return rows.at[half][i]; }, values);
      visit(across, half, values);
    }
  }
}

}  // namespace phasenet::cuda
