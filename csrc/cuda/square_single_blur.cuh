// The blur of squares as square_blur.cuh has it, of numbers whose range is that of single precision
// (singles.cuh): what comes back through windows is divided by amplitudes, which may be tiny.
#pragma once

#include "singles.cuh"
#include "square_blur.cuh"

namespace phasenet::cuda {

// Of a square as right factors, in pieces of 16 bytes: [kRowGroups, kTilesAcross, 32], of 8 rows
// and 8 columns each. With the axes exchanged it is the square's columns that are blurred first;
// then a lane has of a product's sums what it has of a factor that is not exchanged, and the other
// way round.
constexpr int kSingleFactors = kRowGroups * kTilesAcross * 32;

// Blocks of taps as factors: left ones of 16 rows by the group of 8 before them, their own two, of
// these two where a plane ends between them, and the group behind; then right ones of 8 columns by
// those before, at and behind.
constexpr int kRightTaps = 12, kSingleTapFours = 15 * 32;

__device__ __forceinline__ void write_single_taps(int lane, Four<float>* out) {
  const int first = lane / 4 - lane % 4 * 2;
  const auto taps = [&](int from) {
    return cut_pair(tap_at(from + first), tap_at(from + first - 1));
  };
  const Four<float> before = taps(8), at = taps(0), behind = taps(-8), none = {};
  const auto put_left = [&](int i, const Four<float>& upper, const Four<float>& lower) {
    out[2 * i * 32 + lane] = {{upper.at[0], lower.at[0], upper.at[1], lower.at[1]}};
    out[(2 * i + 1) * 32 + lane] = {{upper.at[2], lower.at[2], upper.at[3], lower.at[3]}};
  };
  put_left(0, before, none);
  put_left(1, at, before);
  put_left(2, behind, at);
  put_left(3, none, behind);
  put_left(4, at, none);
  put_left(5, none, at);
  out[kRightTaps * 32 + lane] = before;
  out[(kRightTaps + 1) * 32 + lane] = at;
  out[(kRightTaps + 2) * 32 + lane] = behind;
}

// Calls visit(n, values) for each tile of row m of tiles, blurred: columns 2 q and 2 q + 1 of row
// r, then of row r + 8. `zeros` are as long as a group of rows; `high_bits`
// as cut() takes them.
template <int kSide, typename Visit>
__device__ __forceinline__ void for_blurred_singles(
    const Four<float>* factors,
    const Four<float>* zeros,
    const Four<float>* taps,
    uint32_t high_bits,
    int lane,
    int m,
    const Visit& visit) {
  constexpr int group = kTilesAcross * 32, a_plane = kTilesAcross * kSide / kSquare;
  const Four<float>* groups[4] = {
      (m > 0 ? factors + (2 * m - 1) * group : zeros) + lane,
      factors + 2 * m * group + lane,
      factors + (2 * m + 1) * group + lane,
      (m < kTilesDown - 1 ? factors + (2 * m + 2) * group : zeros) + lane};
  // The two left factors of the tile's own groups.
  const Four<float>* own = taps + (kSide < kSquare && m == 1 ? 8 : 2) * 32 + lane;
  Four<float> left[4][2];
#pragma unroll
  for (int part = 0; part < 2; ++part) {
    left[0][part] = taps[part * 32 + lane];
    left[1][part] = own[part * 32];
    left[2][part] = own[(2 + part) * 32];
    left[3][part] = taps[(6 + part) * 32 + lane];
  }
  // Tiles are made side by side: a product waits for the one before of the same tile.
  float sums[kTilesAcross][4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    Four<float> right[kTilesAcross];
#pragma unroll
    for (int n = 0; n < kTilesAcross; ++n) {
      right[n] = groups[i][n * 32];
    }
#pragma unroll
    for (int kind = 0; kind < 3; ++kind) {  // what is small comes first
      const int part = kind == 1 ? 1 : 0, of_right = kind == 0 ? 2 : 0;
#pragma unroll
      for (int n = 0; n < kTilesAcross; ++n) {
        const float one = right[n].at[of_right], two = right[n].at[of_right + 1];
        i == 0 && kind == 0 ? make_product(sums[n], left[i][part], one, two)
                            : add_product(sums[n], left[i][part], one, two);
      }
    }
  }
  Four<float> tiles[kTilesAcross][2];  // blurred along one axis, as left factors
#pragma unroll
  for (int n = 0; n < kTilesAcross; ++n) {
    const CutSingle one = cut(sums[n][0], high_bits), two = cut(sums[n][1], high_bits);
    const CutSingle three = cut(sums[n][2], high_bits), four = cut(sums[n][3], high_bits);
    tiles[n][0] = {{one.high, three.high, two.high, four.high}};
    tiles[n][1] = {{one.low, three.low, two.low, four.low}};
  }
  Four<float> rights[3];
#pragma unroll
  for (int i = 0; i < 3; ++i) {
    rights[i] = taps[(kRightTaps + i) * 32 + lane];
  }
#pragma unroll
  for (int kind = 0; kind < 3; ++kind) {
    const int part = kind == 1 ? 1 : 0, of_right = kind == 0 ? 2 : 0;
#pragma unroll
    for (int step = 0; step < 3; ++step) {
      const int i = (step + 1) % 3;  // at, behind, before: the first is always there
#pragma unroll
      for (int n = 0; n < kTilesAcross; ++n) {
        const int from = n + i - 1;
        if (from < 0 || from >= kTilesAcross || from / a_plane != n / a_plane) {
          continue;
        }
        const float one = rights[i].at[of_right], two = rights[i].at[of_right + 1];
        kind == 0 && step == 0 ? make_product(sums[n], tiles[from][part], one, two)
                               : add_product(sums[n], tiles[from][part], one, two);
      }
    }
  }
#pragma unroll
  for (int n = 0; n < kTilesAcross; ++n) {
    visit(n, sums[n]);
  }
}

}  // namespace phasenet::cuda
