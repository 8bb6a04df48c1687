// The 11 x 11 Gaussian of std 2, not normalised, with zeros outside, on planes in shared memory.
#pragma once

#include "device.h"

namespace phasenet::cuda {

constexpr int kReach = 5;
constexpr int kTaps = 2 * kReach + 1;
constexpr int kRun = 8;  // values a thread computes side by side, so that it reads each input once

// exp(-k^2 / 8)
template <typename T>
__device__ __forceinline__ constexpr T tap(int k) {
  constexpr T taps[kReach + 1] = {
      T(1.0),
      T(0.88249690258459540286),
      T(0.60653065971263342360),
      T(0.32465246735834973769),
      T(0.13533528323661269189),
      T(0.04393693362340742)};
  return taps[k < 0 ? -k : k];
}

// A plane in shared memory. An odd stride keeps both directions free of bank conflicts.
struct Region {
  int rows, columns;
  __host__ __device__ constexpr int stride() const {
    return columns | 1;
  }
  __host__ __device__ constexpr int elements() const {
    return rows * stride();
  }
};

// kRun values of a line, from these and their neighbours.
template <typename T>
__device__ __forceinline__ void blur_run(const T* in, T* out) {
#pragma unroll
  for (int j = 0; j < kRun; ++j) {
    T sum = in[j + kReach];
#pragma unroll
    for (int k = 1; k <= kReach; ++k) {
      sum += tap<T>(k) * (in[j + kReach - k] + in[j + kReach + k]);
    }
    out[j] = sum;
  }
}

// `lines` runs of `length` values, `step` apart within a line and `line_step` between lines.
template <typename T>
__device__ void blur_lines(const T* from, T* to, int lines, int length, int step, int line_step) {
  const int runs = (length + kRun - 1) / kRun;
  for (int i = static_cast<int>(threadIdx.x); i < lines * runs; i += static_cast<int>(blockDim.x)) {
    // Neighbouring threads take neighbouring lines.
    const int line = i % lines, begin = i / lines * kRun;
    const T* source = from + line * line_step;
    T in[kRun + 2 * kReach];
#pragma unroll
    for (int j = 0; j < kRun + 2 * kReach; ++j) {
      const int at = begin + j - kReach;
      in[j] = at >= 0 && at < length ? source[at * step] : T(0);
    }
    T out[kRun];
    blur_run(in, out);
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      if (begin + j < length) {
        to[line * line_step + (begin + j) * step] = out[j];
      }
    }
  }
}

// Blurs `plane` in place; `scratch` is as large. Barriers before and after.
template <typename T>
__device__ void blur(T* plane, T* scratch, Region region) {
  __syncthreads();
  blur_lines(plane, scratch, region.rows, region.columns, 1, region.stride());
  __syncthreads();
  blur_lines(scratch, plane, region.columns, region.rows, region.stride(), 1);
  __syncthreads();
}

// The sum over a block of one value of each thread; all threads get it. `scratch`: 33 values.
template <typename T>
__device__ T block_sum(T value, T* scratch) {
  const int threads = static_cast<int>(blockDim.x * blockDim.y);
  const int i = static_cast<int>(threadIdx.x + threadIdx.y * blockDim.x);
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    value += __shfl_down_sync(0xffffffffu, value, lanes);
  }
  __syncthreads();
  if (i % 32 == 0) {
    scratch[i / 32] = value;
  }
  __syncthreads();
  if (i == 0) {
    T sum = 0;
    for (int warp = 0; warp < (threads + 31) / 32; ++warp) {
      sum += scratch[warp];
    }
    scratch[32] = sum;
  }
  __syncthreads();
  return scratch[32];
}

}  // namespace phasenet::cuda
