// One block's tile of the differences of one frame from the one before, as the windows and their
// gradient share it; csrc/cpu/ops/phase_difference_windows.cpp tells the algorithm.
#pragma once

#include "blur.cuh"
#include "phase_planes.h"

namespace phasenet::cuda {

constexpr int kColumns = 16, kGroups = 6;  // threads of a block
constexpr int kRows = kGroups * kRun;      // a thread has kRun rows of one column
constexpr int kFieldRows = kRows + 2 * kReach;
constexpr int kFieldElements = kFieldRows * kColumns;

struct WindowShape {
  int64_t length, windows;
  int num_phase, shift;  // shift: frames before a window's own, P / 2 with "replicate"
  bool replicate;
  int across, down;  // tiles of a plane

  WindowShape() = default;

  template <typename T>
  WindowShape(const PhaseOptions& options, int64_t frames, const Planes<T>& planes)
      : length(frames),
        windows(options.windows(frames)),
        num_phase(static_cast<int>(options.num_phase)),
        shift(static_cast<int>(options.replicate ? options.num_phase / 2 : 0)),
        replicate(options.replicate),
        across(static_cast<int>(blocks_for(planes.w, kColumns))),
        down(static_cast<int>(blocks_for(planes.h, kRows))) {
  }

  // The windows whose first frame lies `i` >= 1 frames before frame t, `first` to `last`. Several
  // begin at the video's first frame where it is repeated before it.
  template <typename Frame>
  __device__ __forceinline__ Frame first_window(Frame t, int i) const {
    const Frame reaching = t + shift - num_phase;
    return t == i ? (reaching < 0 ? 0 : reaching) : t - i + shift;
  }
  template <typename Frame>
  __device__ __forceinline__ Frame last_window(Frame t, int i) const {
    const Frame last = t - i + shift, count = static_cast<Frame>(windows);
    return last < count ? last : count - 1;
  }
  // Where the plane lies that has the difference of frame t from the one before in a window.
  __device__ __forceinline__ int64_t
  output_plane(int64_t video, int64_t window, int nbands, int band, int64_t t) const {
    return ((video * windows + window) * nbands + band) * num_phase + t - window + shift - 1;
  }
};

// Whose tile a block makes, and the first row and the column of this thread.
struct WindowTile {
  int64_t plane, video, t;
  int band, index, top, left, y, x;
};

template <typename T>
__device__ __forceinline__ WindowTile this_tile(const Planes<T>& planes, const WindowShape& shape) {
  const int tiles = shape.across * shape.down;
  const int index = static_cast<int>(blockIdx.x % tiles);
  const int64_t plane = blockIdx.x / tiles, frame = plane / planes.nbands;
  const int top = index / shape.across * kRows, left = index % shape.across * kColumns;
  return {
      plane,
      frame / shape.length,
      frame % shape.length,
      static_cast<int>(plane % planes.nbands),
      index,
      top,
      left,
      top + static_cast<int>(threadIdx.y) * kRun,
      left + static_cast<int>(threadIdx.x)};
}

// No fused multiply-add: equal frames have to give exactly zero.
__device__ __forceinline__ float rounded_product(float a, float b) {
#if defined(PHASENET_EMULATED)
  return a * b;
#else
  return __fmul_rn(a, b);
#endif
}
__device__ __forceinline__ double rounded_product(double a, double b) {
#if defined(PHASENET_EMULATED)
  return a * b;
#else
  return __dmul_rn(a, b);
#endif
}

// Zeros in `count` fields.
template <typename T>
__device__ __forceinline__ void clear_fields(T* fields, int count) {
  for (int i = static_cast<int>(threadIdx.y * kColumns + threadIdx.x); i < count * kFieldElements;
       i += kColumns * kGroups) {
    fields[i] = 0;
  }
}

// Adds to fields, blurred along x only, what one frame's wraps give to the amplitudes of
// `plane` and, where `to_before`, of the frame before it. Returns whether this thread added
// anything.
template <typename T>
__device__ bool add_wraps(
    const Planes<T>& planes,
    const WindowTile& tile,
    int64_t wraps_plane,
    bool to_before,
    T* after,
    T* before) {
  bool any = false;
  const int64_t area = int64_t{planes.h} * planes.w;
  const T* a = planes.amplitude + tile.plane * area;
  const T* b = a - planes.nbands * area;
  if (tile.x >= planes.w) {
    return false;
  }
  // Bits x - 5 ... x + 5 of a row; bit 32 is column 0.
  const int first = tile.x + 32 - kReach, word = first / 32, offset = first % 32;
  for (int r = static_cast<int>(threadIdx.y); r < kFieldRows; r += kGroups) {
    const int y = tile.top - kReach + r;
    if (y < 0 || y >= planes.h) {
      continue;
    }
    const int64_t at = (wraps_plane * planes.h + y) * planes.words + word;
    const auto window = [&](const uint32_t* mask) {
      const uint64_t both = uint64_t{mask[at]} | uint64_t{mask[at + 1]} << 32;
      return static_cast<uint32_t>(both >> offset) & ((1u << kTaps) - 1);
    };
    const uint32_t up = window(planes.up), bits = up | window(planes.down);
    if (bits == 0) {
      continue;
    }
    any = true;
    T sum_after = 0, sum_before = 0;
    for (uint32_t rest = bits; rest != 0; rest &= rest - 1) {
      const int i = __ffs(rest) - 1;
      // Not `tap`: an index known only here would put the taps into local memory.
      const int distance = i < kReach ? kReach - i : i - kReach;
      const T weight = std::exp(T(-0.125) * T(distance * distance));
      const T wrap = (up >> i & 1) != 0 ? weight : -weight;
      const int64_t pixel = int64_t{y} * planes.w + tile.x + i - kReach;
      sum_after += wrap * a[pixel];
      if (to_before) {
        sum_before += wrap * b[pixel];
      }
    }
    after[r * kColumns + threadIdx.x] += sum_after;
    if (to_before) {
      before[r * kColumns + threadIdx.x] += sum_before;
    }
  }
  return any;
}

// This thread's rows of a field blurred along y, times 2 pi.
template <typename T>
__device__ void blur_down(const T* field, T* out) {
  T in[kRun + 2 * kReach];
#pragma unroll
  for (int j = 0; j < kRun + 2 * kReach; ++j) {
    in[j] = field[(static_cast<int>(threadIdx.y) * kRun + j) * kColumns + threadIdx.x];
  }
  blur_run(in, out);
#pragma unroll
  for (int j = 0; j < kRun; ++j) {
    out[j] *= T(2 * kPi);
  }
}

// Calls visit(i, values) for i = 1 ... with this thread's rows of the difference of frame t from
// the one before, less its mean and not clamped, in the windows that begin i frames before t.
// `fields`: shared, two. Every thread of the block visits, at a barrier or not.
template <typename T, typename Visit>
__device__ __forceinline__ void for_differences(
    const Planes<T>& planes,
    const WindowShape& shape,
    const WindowTile& tile,
    T* fields,
    const Visit& visit) {
  T* after = fields;
  T* before = fields + kFieldElements;
  clear_fields(fields, 2);
  const int64_t area = int64_t{planes.h} * planes.w;
  T plain[kRun], inverse_after[kRun], inverse_before[kRun], wrapped[kRun] = {};
#pragma unroll
  for (int j = 0; j < kRun; ++j) {
    const bool inside = tile.x < planes.w && tile.y + j < planes.h;
    const int64_t at = tile.plane * area + int64_t{tile.y + j} * planes.w + tile.x;
    const int64_t last = at - planes.nbands * area;
    plain[j] = inside ? planes.denoised[at] - planes.denoised[last] : T(0);
    inverse_after[j] = inside ? planes.inverse[at] : T(0);
    inverse_before[j] = inside ? planes.inverse[last] : T(0);
  }
  const double* means_after = planes.means + tile.plane * (shape.num_phase + 1);
  const double* means_before = means_after - planes.nbands * (shape.num_phase + 1);
  const double plain_mean = means_after[0] - means_before[0];
  for (int i = 1; i <= shape.num_phase && i <= tile.t; ++i) {
    __syncthreads();
    // The wraps since the start of the window: this frame's for both frames, but the first is
    // the later frame's alone.
    const bool any =
        add_wraps(planes, tile, tile.plane - int64_t{i - 1} * planes.nbands, i > 1, after, before);
    if (__syncthreads_or(any)) {
      T field[kRun];
      blur_down(after, field);
      blur_down(before, wrapped);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        wrapped[j] = rounded_product(field[j], inverse_after[j]) -
                     rounded_product(wrapped[j], inverse_before[j]);
      }
    }
    const double mean = plain_mean + means_after[i] - (i > 1 ? means_before[i - 1] : 0.0);
    T values[kRun];
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      values[j] = plain[j] + wrapped[j] - static_cast<T>(mean);
    }
    visit(i, values);
  }
}

// Differences are clamped to this far from their mean.
template <typename T>
constexpr T kLimit = T(5 * kPi);

// NaN stays NaN.
template <typename T>
__device__ __forceinline__ T clamped(T value) {
  value = value < -kLimit<T> ? -kLimit<T> : value;
  return value > kLimit<T> ? kLimit<T> : value;
}

// Calls visit(window, time) where a window repeats frame t, the video's first or last: its
// difference there is zero. `time` is what the frame's number would be without the repetition. Of
// `step` who share the windows, number `first` calls.
template <typename Visit>
__device__ __forceinline__ void for_repeats(
    const WindowShape& shape, int64_t t, const Visit& visit, int first = 0, int step = 1) {
  const auto repeats = [&](int64_t begin, int64_t end) {
    for (int64_t window = begin + first; window < end; window += step) {
      const int64_t before = window - shape.shift;
      for (int64_t time = before + 1; time <= before + shape.num_phase; ++time) {
        if ((t == 0 && time <= 0) || (t == shape.length - 1 && time >= shape.length)) {
          visit(window, time);
        }
      }
    }
  };
  // The windows that begin before the video, and others that end behind it.
  const int64_t inside = shape.shift < shape.windows ? shape.shift : shape.windows;
  const int64_t ends = shape.length - shape.num_phase + shape.shift;
  repeats(0, inside);
  repeats(ends > inside ? ends : inside, shape.windows);
}

}  // namespace phasenet::cuda
