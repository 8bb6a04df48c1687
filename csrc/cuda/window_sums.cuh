// Sums over the windows that a frame is in, of what comes back to its denoised phase. A difference
// of frames t - 1 and t is the same in every window that begins `i` frames before t, so these are
// sums over i; nothing as large as the windows is stored but one bit for each of their values.
#pragma once

#include "window_tiles.cuh"
#include "workspace.h"

namespace phasenet::cuda {

constexpr int kAround = kColumns + 2 * kReach, kAroundStride = kAround | 1;

// Blocks for which a multiprocessor's registers have to suffice; more would spill.
template <typename T>
constexpr int kTileBlocks = sizeof(T) == 4 ? 4 : 2;

// What comes back through the clamp of the difference of frame t, for i = 1 ... P.
template <typename T>
struct DifferenceGrads {
  const T* grads;    // of the windows
  uint16_t* within;  // [frames, nbands, P, h, across]: bit x of a tile's row: was not clamped
  double* sums;      // [frames, nbands, P, tiles]
  double* means;     // [frames, nbands, P]
};

// The gradients of the windows that begin i frames before frame t, summed, at (y, x).
template <typename T>
__device__ __forceinline__ T window_grads(
    const DifferenceGrads<T>& of,
    const Planes<T>& planes,
    const WindowShape& shape,
    const WindowTile& tile,
    int64_t t,
    int i,
    int64_t pixel) {
  const int64_t area = int64_t{planes.h} * planes.w, last = shape.last_window(t, i);
  T sum = 0;
#pragma unroll 1  // one window, but for those at the video's begin
  for (int64_t window = shape.first_window(t, i); window <= last; ++window) {
    const int64_t plane = shape.output_plane(tile.video, window, planes.nbands, tile.band, t);
    sum += of.grads[plane * area + pixel];
  }
  return sum;
}

// Which differences were not clamped, and a tile's sum of what passes.
template <typename T>
__global__ void __launch_bounds__(kColumns* kGroups, kTileBlocks<T>)
    pass_clamp(Planes<T> planes, WindowShape shape, DifferenceGrads<T> out) {
  const WindowTile tile = this_tile(planes, shape);
  if (tile.t == 0) {
    return;
  }
  T* fields = shared_memory<T>();
  // Fields are of even size: doubles keep their alignment behind them.
  double* scratch = reinterpret_cast<double*>(fields + 2 * kFieldElements);
  const int tiles = shape.across * shape.down;
  for_differences(planes, shape, tile, fields, [&](int i, const T* values) {
    const int64_t plane = tile.plane * shape.num_phase + i - 1;
    double sum = 0;
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      const int y = tile.y + j;
      const bool passes =
          tile.x < planes.w && y < planes.h && values[j] >= -kLimit<T> && values[j] <= kLimit<T>;
      // A warp has one row of an even group and one of the odd group after it.
      const uint32_t bits = __ballot_sync(0xffffffffu, passes) >> (threadIdx.y % 2 * kColumns);
      if (threadIdx.x == 0 && y < planes.h) {
        out.within[(plane * planes.h + y) * shape.across + tile.index % shape.across] =
            static_cast<uint16_t>(bits & 0xffffu);
      }
      if (passes) {
        const int64_t pixel = int64_t{y} * planes.w + tile.x;
        sum += double(window_grads(out, planes, shape, tile, tile.t, i, pixel));
      }
    }
    sum = block_sum(sum, scratch);
    if (threadIdx.x == 0 && threadIdx.y == 0) {
      out.sums[plane * tiles + tile.index] = sum;
    }
  });
}

template <typename T>
__global__ void mean_grads(
    Planes<T> planes, WindowShape shape, int64_t count, DifferenceGrads<T> of) {
  const int64_t at = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  const int64_t t = at / shape.num_phase / planes.nbands % shape.length;
  if (at >= count || at % shape.num_phase >= t) {
    return;  // no window begins so long before this frame
  }
  const int tiles = shape.across * shape.down;
  double sum = 0;
  for (int tile = 0; tile < tiles; ++tile) {
    sum += of.sums[at * tiles + tile];
  }
  of.means[at] = sum / (static_cast<double>(planes.h) * planes.w);
}

// The gradient of frame t's denoised phase in the windows that begin i frames before it, times
// 1 / B(a): from its difference to the frame before and to the frame after.
template <typename T>
__device__ T quotient(
    const DifferenceGrads<T>& of,
    const Planes<T>& planes,
    const WindowShape& shape,
    const WindowTile& tile,
    int i,
    int y,
    int x) {
  const int64_t pixel = int64_t{y} * planes.w + x;
  const auto grad = [&](int frames, int ahead) {
    const int64_t plane =
        (tile.plane + int64_t{ahead} * planes.nbands) * shape.num_phase + frames - 1;
    const uint32_t bits = of.within[(plane * planes.h + y) * shape.across + x / kColumns];
    const T value = (bits >> (x % kColumns) & 1) != 0
                        ? window_grads(of, planes, shape, tile, tile.t + ahead, frames, pixel)
                        : T(0);
    return value - static_cast<T>(of.means[plane]);
  };
  T value = 0;
  if (i > 0) {
    value = grad(i, 0);
  }
  if (i < shape.num_phase && tile.t + 1 < shape.length) {
    value -= grad(i + 1, 1);
  }
  return value * planes.inverse[tile.plane * int64_t{planes.h} * planes.w + pixel];
}

template <typename T>
struct FrameSums {  // over the windows a frame is in, [frames, nbands, h, w]
  T* q;             // of the gradient over B(a)
  T* q_phase;       // of that times the denoised phase
  T* wrapped;       // 2 pi k B(q)
};

// `around`, a tile's quotients with those it is blurred with, -> `rows`, blurred along x.
template <typename T>
__device__ void blur_across(const T* around, T* rows) {
  for (int r = static_cast<int>(threadIdx.y); r < kFieldRows; r += kGroups) {
    const T* at = around + r * kAroundStride + threadIdx.x + kReach;
    T sum = at[0];
#pragma unroll
    for (int k = 1; k <= kReach; ++k) {
      sum += tap<T>(k) * (at[-k] + at[k]);
    }
    rows[r * kColumns + threadIdx.x] = sum;
  }
}

template <typename T>
__global__ void __launch_bounds__(kColumns* kGroups, kTileBlocks<T>)
    sum_windows(Planes<T> planes, WindowShape shape, DifferenceGrads<T> grads, FrameSums<T> out) {
  const WindowTile tile = this_tile(planes, shape);
  T* wraps_field = shared_memory<T>();
  T* rows = wraps_field + kFieldElements;
  T* around = rows + kFieldElements;
  clear_fields(wraps_field, 1);
  const int64_t first = tile.plane * planes.h * planes.w + int64_t{tile.y} * planes.w + tile.x;
  const auto inside = [&](int j) { return tile.x < planes.w && tile.y + j < planes.h; };
  T q[kRun] = {}, q_phase[kRun] = {}, wrapped[kRun] = {}, wraps[kRun] = {};
  bool wrapping = false;  // from here on a wrap may reach this tile
  for (int i = 0; i <= shape.num_phase && i <= tile.t; ++i) {
    if (i > 0) {
      const int64_t wraps_plane = tile.plane - int64_t{i - 1} * planes.nbands;
      __syncthreads();
      const bool any = add_wraps<T>(planes, tile, wraps_plane, false, wraps_field, nullptr);
      wrapping = __syncthreads_or(any) != 0 || wrapping;
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        if (inside(j)) {
          const int64_t word =
              (wraps_plane * planes.h + tile.y + j) * planes.words + tile.x / 32 + 1;
          wraps[j] += static_cast<T>(
              static_cast<int>(planes.up[word] >> (tile.x % 32) & 1) -
              static_cast<int>(planes.down[word] >> (tile.x % 32) & 1));
        }
      }
    }
    // The tile's quotients, and where they are to be blurred those around it.
    const int halo = wrapping ? kReach : 0;
#pragma unroll 1  // registers are scarce
    for (int r = static_cast<int>(threadIdx.y) - halo; r < kRows + halo; r += kGroups) {
#pragma unroll 1
      for (int c = static_cast<int>(threadIdx.x) - halo; c < kColumns + halo; c += kColumns) {
        const int y = tile.top + r, x = tile.left + c;
        const bool exists = y >= 0 && y < planes.h && x >= 0 && x < planes.w;
        around[(r + kReach) * kAroundStride + c + kReach] =
            exists ? quotient(grads, planes, shape, tile, i, y, x) : T(0);
      }
    }
    __syncthreads();
    T field[kRun] = {};
    if (wrapping) {
      blur_down(wraps_field, field);
      blur_across(around, rows);
    }
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      if (inside(j)) {
        const int64_t at = first + int64_t{j} * planes.w;
        const int row = static_cast<int>(threadIdx.y) * kRun + j + kReach;
        const T value = around[row * kAroundStride + threadIdx.x + kReach];
        q[j] += value;
        q_phase[j] += value * (planes.denoised[at] + field[j] * planes.inverse[at]);
      }
    }
    if (wrapping) {
      __syncthreads();
      blur_down(rows, field);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        wrapped[j] += wraps[j] * field[j];
      }
    }
  }
#pragma unroll
  for (int j = 0; j < kRun; ++j) {
    if (inside(j)) {
      const int64_t at = first + int64_t{j} * planes.w;
      out.q[at] = q[j];
      out.q_phase[at] = q_phase[j];
      out.wrapped[at] = wrapped[j];
    }
  }
}

// What a level's gradient needs: what comes back through its differences, and what that sums to.
template <typename T>
struct LevelSums {
  DifferenceGrads<T> differences;
  FrameSums<T> sums;
};

// For `count` planes of a level. The windows' gradient comes with the launches.
template <typename T>
LevelSums<T> take_sums(
    Pieces& pieces, const Planes<T>& planes, const WindowShape& shape, int64_t count) {
  const int64_t windows = count * shape.num_phase;
  const auto plane = [&] { return pieces.take<T>(count * planes.h * planes.w); };
  return {
      {nullptr,
       pieces.take<uint16_t>(windows * planes.h * shape.across),
       pieces.take<double>(windows * shape.across * shape.down),
       pieces.take<double>(windows)},
      {plane(), plane(), plane()}};
}

template <typename T>
void sum_grads(
    const Launch& launch,
    const Tensor& grads,
    const Planes<T>& planes,
    const WindowShape& shape,
    int64_t count,
    const LevelSums<T>& level) {
  DifferenceGrads<T> differences = level.differences;
  differences.grads = grads.const_data_ptr<T>();
  const int64_t windows = count * shape.num_phase, tiles = int64_t{shape.across} * shape.down;
  const dim3 threads(kColumns, kGroups);
  const auto bytes = [](int64_t elements) { return elements * static_cast<int64_t>(sizeof(T)); };
  const int64_t scratch = 33 * static_cast<int64_t>(sizeof(double));
  launch(
      pass_clamp<T>,
      count * tiles,
      threads,
      bytes(2 * kFieldElements) + scratch,
      planes,
      shape,
      differences);
  launch(
      mean_grads<T>, blocks_for(windows, 256), dim3(256), 0, planes, shape, windows, differences);
  launch(
      sum_windows<T>,
      count * tiles,
      threads,
      bytes(2 * kFieldElements + kFieldRows * kAroundStride),
      planes,
      shape,
      differences,
      level.sums);
}

}  // namespace phasenet::cuda
