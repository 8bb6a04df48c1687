// From the complex coefficients of a tile in shared memory to the planes of one frame.
#pragma once

#include "blur.cuh"
#include "filters.cuh"
#include "phase_planes.h"
#include "polar.cuh"

namespace phasenet::cuda {

// The part of a plane that a block answers for, and the region around it that this depends on.
struct PlaneTile {
  int y, x;  // where the region begins in the plane
  Region region;
  int top, left;  // where the tile begins in the region
  int rows, columns;
};

// `denoise` blurs what it has blurred.
constexpr int kDenoiseHalo = 2 * kReach;

template <typename T>
__device__ PlaneTile tile_at(int y, int x, int side, int halo, const Planes<T>& planes) {
  const int begin_y = y > halo ? y - halo : 0, begin_x = x > halo ? x - halo : 0;
  const int end_y = y + side + halo < planes.h ? y + side + halo : planes.h;
  const int end_x = x + side + halo < planes.w ? x + side + halo : planes.w;
  const int rows = y + side < planes.h ? side : planes.h - y;
  const int columns = x + side < planes.w ? side : planes.w - x;
  return {
      begin_y,
      begin_x,
      {end_y - begin_y, end_x - begin_x},
      y - begin_y,
      x - begin_x,
      rows,
      columns};
}

// The largest region of any tile.
template <typename T>
Region largest_region(int side, int halo, const Planes<T>& planes) {
  const int most = side + 2 * halo;
  return {std::min(most, planes.h), std::min(most, planes.w)};
}

// Shared memory of `denoise`: four planes and what a sum needs.
template <typename T>
int64_t denoise_bytes(Region region) {
  return 4 * int64_t{region.elements()} * static_cast<int64_t>(sizeof(T)) + 8 +
         33 * static_cast<int64_t>(sizeof(double));
}

// Phase and amplitude of the coefficient at (y, x) of the region.
template <typename T>
__device__ __forceinline__ void put_phase(
    const Planes<T>& planes,
    const PlaneTile& tile,
    int64_t plane,
    int y,
    int x,
    T re,
    T im,
    T* amplitude,
    T* weighted) {
  const T phase = phase_of(im, re), magnitude = magnitude_of(im, re) + T(1e-10);
  *amplitude = magnitude;
  *weighted = magnitude * phase;
  const int in_y = y - tile.top, in_x = x - tile.left;
  if (in_y >= 0 && in_y < tile.rows && in_x >= 0 && in_x < tile.columns) {
    const int64_t at = (plane * planes.h + tile.y + y) * planes.w + tile.x + x;
    planes.phase[at] = phase;
    planes.amplitude[at] = magnitude;
  }
}

// `shared` holds the region's amplitudes, then amplitudes times phases, then room for two more.
template <typename T>
__device__ void denoise(
    const Planes<T>& planes, const PlaneTile& tile, int64_t plane, int tile_index, T* shared) {
  const Region region = tile.region;
  T* amplitude = shared;
  T* weighted = amplitude + region.elements();
  T* blurred = weighted + region.elements();
  T* scratch = blurred + region.elements();
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < region.elements();
       i += static_cast<int>(blockDim.x)) {
    blurred[i] = amplitude[i];
  }
  blur(blurred, scratch, region);
  blur(weighted, scratch, region);
  const auto each = [&](const auto& visit) {
    for (int i = static_cast<int>(threadIdx.x); i < tile.rows * tile.columns;
         i += static_cast<int>(blockDim.x)) {
      const int y = tile.top + i / tile.columns, x = tile.left + i % tile.columns;
      visit(y * region.stride() + x, (plane * planes.h + tile.y + y) * planes.w + tile.x + x);
    }
  };
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < region.rows * region.columns;
       i += static_cast<int>(blockDim.x)) {
    T& value = blurred[i / region.columns * region.stride() + i % region.columns];
    value = 1 / value;
  }
  __syncthreads();
  each([&](int in_region, int64_t in_plane) {
    const T denoised = weighted[in_region] * blurred[in_region];
    planes.inverse[in_plane] = blurred[in_region];
    planes.denoised[in_plane] = denoised;
    sum += double(denoised);
  });
  blur(blurred, scratch, region);
  each([&](int in_region, int64_t in_plane) {
    planes.influence[in_plane] = amplitude[in_region] * blurred[in_region];
  });
  __syncthreads();
  // The scratch plane is free; doubles want their alignment.
  auto address = reinterpret_cast<uintptr_t>(shared + 4 * region.elements());
  double* sums = reinterpret_cast<double*>((address + 7) / 8 * 8);
  sum = block_sum(sum, sums);
  if (threadIdx.x == 0) {
    planes.sums[plane * planes.tiles + tile_index] = sum;
  }
}

}  // namespace phasenet::cuda
