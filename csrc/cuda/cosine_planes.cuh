// Planes of small frames without any FFT. The spectrum of the mirrored frame is its cosine
// transform X (DCT-II), so with theta_k(y) = pi k (1 / 2H + 2 y / h) a band's kept quarter is
//   sum over k, l >= 0 of X[k, l] (A cos cos - D sin sin + i (B sin cos + C cos sin)),
// where A, B, C, D sum the filter over the signs of k and l with no sign, that of k, of l, of both.
// These are products of small matrices in shared memory. One block makes all bands of one level
// of one frame.
#pragma once

#include "cosine_tables.cuh"

namespace phasenet::cuda {

template <typename T>
struct alignas(4 * sizeof(T)) Four {
  T at[4];
};

// A 4 x 4 tile of a product sum_k a[k, m] b[k, n] that one thread makes.
template <typename T>
struct ProductTile {
  T sum[4][4] = {};

  template <typename Left>
  __device__ __forceinline__ void add(const Left& left, const T* b, int ldb, int n, int count) {
    for (int k = 0; k < count; ++k) {
      const Four<T> row = left(k);
      const Four<T> column = *reinterpret_cast<const Four<T>*>(b + k * ldb + n);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          sum[i][j] += row.at[i] * column.at[j];
        }
      }
    }
  }

  // Rows that do not exist are not written; columns up to the padding are.
  __device__ __forceinline__ void put(T* out, int ld, int m, int n, int rows) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (m + i < rows) {
        *reinterpret_cast<Four<T>*>(out + (m + i) * ld + n) =
            Four<T>{{sum[i][0], sum[i][1], sum[i][2], sum[i][3]}};
      }
    }
  }
};

template <typename T>
__device__ __forceinline__ Four<T> four(const T* from) {
  return *reinterpret_cast<const Four<T>*>(from);
}

// Blocks for which a multiprocessor's registers have to suffice: more would make the compiler
// spill.
template <typename T>
constexpr int kCosineBlocks = sizeof(T) == 4 ? 2 : 1;

// Calls visit(m, n) for the first row and column of each of a thread's tiles of a matrix.
template <typename Visit>
__device__ __forceinline__ void for_tiles(int rows, int columns, const Visit& visit) {
  const int across = (columns + 3) / 4, tiles = (rows + 3) / 4 * across;
  for (int i = static_cast<int>(threadIdx.x); i < tiles; i += static_cast<int>(blockDim.x)) {
    visit(i / across * 4, i % across * 4);
  }
}

template <typename T, typename In>
__global__ void __launch_bounds__(256, kCosineBlocks<T>) planes_by_cosines(
    const In* frames,
    T scale,
    CosinePlan plan,
    int which,
    const T* tables,
    Planes<T> planes,
    int phase_turns) {
  const CosineLevel& level = plan.levels[which];
  const CosineMemory memory = cosine_memory(plan, level);
  const int64_t frame = blockIdx.x;
  T* spectrum = shared_memory<T>();  // [v, pad_u]
  T* products = spectrum + memory.products;
  T* shared_planes = spectrum + memory.planes;
  const int pad = padded4(plan.frame_w), pad_u = level.pad_u, pad_w = level.pad_w;
  const int area = plan.frame_h * plan.frame_w;

  for (int i = static_cast<int>(threadIdx.x); i < plan.frame_h * pad;
       i += static_cast<int>(blockDim.x)) {
    const int y = i / pad, x = i % pad;
    products[i] = x < plan.frame_w
                      ? static_cast<T>(frames[frame * area + y * plan.frame_w + x]) / scale
                      : T(0);
  }
  __syncthreads();
  for_tiles(plan.frame_w, level.u, [&](int m, int n) {
    ProductTile<T> tile;
    tile.add(
        [&](int k) { return four(products + k * pad + m); },
        tables + level.forward_y,
        pad_u,
        n,
        plan.frame_h);
    tile.put(shared_planes, pad_u, m, n, plan.frame_w);
  });
  __syncthreads();
  for_tiles(level.v, level.u, [&](int m, int n) {
    ProductTile<T> tile;
    tile.add(
        [&](int k) { return four(tables + level.forward_x + k * level.pad_v + m); },
        shared_planes,
        pad_u,
        n,
        plan.frame_w);
    tile.put(spectrum, pad_u, m, n, level.v);
  });
  __syncthreads();

  const Region region{level.h, level.w};
  const PlaneTile whole{0, 0, region, 0, 0, level.h, level.w};
  T* weighted = shared_planes + region.elements();
  const int size = level.u * pad_w;
  for (int band = 0; band < plan.nbands; ++band) {
    // Along the axes the filter is even in k or in l, and what is odd vanishes.
    const bool odd_k = band != 0, odd_l = 2 * band != plan.nbands;
    // Products along x: A cos at 0, then C sin, B cos, D sin where they are needed.
    const int at_c = size, at_b = odd_l ? 2 * size : size, at_d = 3 * size;
    const auto along_x = [&](int kind, int table, int at) {
      const T* weights = tables + level.weights + (band * 4 + kind) * level.v * pad_u;
      for_tiles(level.u, level.w, [&](int m, int n) {
        ProductTile<T> tile;
        tile.add(
            [&](int k) {
              Four<T> left = four(spectrum + k * pad_u + m);
              const Four<T> weight = four(weights + k * pad_u + m);
#pragma unroll
              for (int i = 0; i < 4; ++i) {
                left.at[i] *= weight.at[i];
              }
              return left;
            },
            tables + table,
            pad_w,
            n,
            level.v);
        tile.put(products + at, pad_w, m, n, level.u);
      });
    };
    along_x(0, level.cosine_x, 0);
    if (odd_l) {
      along_x(2, level.sine_x, at_c);
    }
    if (odd_k) {
      along_x(1, level.cosine_x, at_b);
    }
    if (odd_k && odd_l) {
      along_x(3, level.sine_x, at_d);
    }
    __syncthreads();
    const int64_t plane = frame * plan.nbands + band;
    for_tiles(level.h, level.w, [&](int m, int n) {
      ProductTile<T> re, im, minus;
      const auto cosines = [&](int k) {
        return four(tables + level.cosine_y + k * level.pad_h + m);
      };
      const auto sines = [&](int k) { return four(tables + level.sine_y + k * level.pad_h + m); };
      re.add(cosines, products, pad_w, n, level.u);
      if (odd_l) {
        im.add(cosines, products + at_c, pad_w, n, level.u);
      }
      if (odd_k) {
        im.add(sines, products + at_b, pad_w, n, level.u);
      }
      if (odd_k && odd_l) {
        minus.add(sines, products + at_d, pad_w, n, level.u);
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const int y = m + i, x = n + j;
          if (y < level.h && x < level.w) {
            const T a = re.sum[i][j] - minus.sum[i][j], b = im.sum[i][j];
            // Times (-i)^phase_turns.
            const T real =
                phase_turns == 0 ? a : (phase_turns == 1 ? b : (phase_turns == 2 ? -a : -b));
            const T imaginary =
                phase_turns == 0 ? b : (phase_turns == 1 ? -a : (phase_turns == 2 ? -b : a));
            const int at = y * region.stride() + x;
            put_phase(
                planes, whole, plane, y, x, real, imaginary, shared_planes + at, weighted + at);
          }
        }
      }
    });
    denoise(planes, whole, plane, 0, shared_planes);
    __syncthreads();
  }
}

template <typename T>
void fill_by_cosines(
    const Launch& launch,
    const Tensor& frames,
    const PhaseOptions& options,
    const CosinePlan& plan,
    const std::vector<OwnedPlanes<T>>& levels) {
  const Tensor tables = empty_like_device(frames, {plan.table_elements}, Dtypes<T>::real);
  T* table = tables.mutable_data_ptr<T>();
  launch(
      cosine_tables<T>,
      blocks_for(plan.table_elements, 256),
      dim3(256),
      0,
      plan,
      directions<double>(options.nbands),
      table);
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t bytes = cosine_bytes<T>(plan, plan.levels[i]);
    const auto run = [&](auto kernel, const auto* data, T scale) {
      launch(
          kernel,
          frames.size(0),
          dim3(256),
          bytes,
          data,
          scale,
          plan,
          static_cast<int>(i),
          table,
          levels[i].planes,
          static_cast<int>((options.nbands - 1) % 4));
    };
    if (frames.scalar_type() == ScalarType::Byte) {
      run(planes_by_cosines<T, uint8_t>, frames.const_data_ptr<uint8_t>(), T(255));
    } else {
      run(planes_by_cosines<T, T>, frames.const_data_ptr<T>(), T(1));
    }
  }
}

}  // namespace phasenet::cuda
