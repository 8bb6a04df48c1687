// Planes of small frames without any FFT. The spectrum of the mirrored frame is its cosine
// transform X (DCT-II), so with theta_k(y) = pi k (1 / 2H + 2 y / h) a band's kept quarter is
//   sum over k, l >= 0 of X[k, l] (A cos cos - D sin sin + i (B sin cos + C cos sin)),
// where A, B, C, D sum the filter over the signs of k and l with no sign, that of k, of l, of both.
// These are products of small matrices in shared memory, with even and odd frequencies apart where
// that halves them (CosineAxis). One block makes all bands of one level of one frame.
#pragma once

#include "cosine_tables.cuh"

namespace phasenet::cuda {

template <typename T>
__device__ __forceinline__ Four<T> four(const T* from) {
  return *reinterpret_cast<const Four<T>*>(from);
}

// A 4 x 4 tile of a product sum_k a[k, m] b[k, n] that one thread makes.
template <typename T>
struct ProductTile {
  T sum[4][4] = {};

  __device__ __forceinline__ void add(const Four<T>& left, const Four<T>& right) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        sum[i][j] += left.at[i] * right.at[j];
      }
    }
  }

  // Every row that exists; columns up to the padding.
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

// The frame with each sample and its mirror image's added and subtracted, along both axes: sums
// first.
template <typename T, typename In>
__device__ void load_folded(const In* frame, T scale, int rows, int columns, int ld, T* out) {
  const int sums_y = (rows + 1) / 2, sums_x = (columns + 1) / 2;
  for (int i = static_cast<int>(threadIdx.x); i < sums_y * sums_x;
       i += static_cast<int>(blockDim.x)) {
    const int y = i / sums_x, x = i % sums_x, under = rows - 1 - y, beside = columns - 1 - x;
    const auto sample = [&](int at_y, int at_x) {
      return static_cast<T>(frame[at_y * columns + at_x]) / scale;
    };
    // A sample in the middle is its own mirror image and counts once.
    const T a = sample(y, x), b = beside > x ? sample(y, beside) : T(0);
    const T c = under > y ? sample(under, x) : T(0);
    const T d = under > y && beside > x ? sample(under, beside) : T(0);
    out[y * ld + x] = (a + b) + (c + d);
    if (beside > x) {
      out[y * ld + sums_x + x] = (a - b) + (c - d);
    }
    if (under > y) {
      out[(sums_y + y) * ld + x] = (a + b) - (c + d);
    }
    if (under > y && beside > x) {
      out[(sums_y + y) * ld + sums_x + x] = (a - b) - (c - d);
    }
  }
}

// Samples along a folded axis for one frequency's position: sums for even ones, differences for
// odd.
struct FoldedSamples {
  int first, count;
  __device__ FoldedSamples(const CosineAxis& axis, int position)
      : first(position < axis.pad_evens ? 0 : (axis.frame + 1) / 2),
        count(position < axis.pad_evens ? (axis.frame + 1) / 2 : axis.frame / 2) {
  }
};

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

// A cos, C sin, B cos and D sin along x, each [y.pad, pad_w]; null where a band has none.
template <typename T>
struct BandProducts {
  T *a, *c, *b, *d;
};

template <typename T>
__device__ __forceinline__ void products_along_x(
    const CosineLevel& level,
    const T* tables,
    int band,
    int nbands,
    const T* spectrum,
    const BandProducts<T>& parts) {
  const CosineAxis& axis = level.x;
  const int pad_u = level.y.pad, pad_w = level.pad_w, area = axis.pad * pad_u;
  const int across = axis.pad_computed / 4, tiles = pad_u / 4 * across;
  // Which of the products there are, in the order of `kind` below.
  const int kinds = 1 + (parts.c != nullptr) + (parts.b != nullptr) + (parts.d != nullptr);
  for (int i = static_cast<int>(threadIdx.x); i < kinds * tiles;
       i += static_cast<int>(blockDim.x)) {
    const int index = i / tiles, m = i % tiles / across * 4, n = i % across * 4;
    // The weights' order: A, B, C, D.
    const int kind = index == 0 ? 0 : (index == 1 && parts.c != nullptr ? 2 : (index == 3 ? 3 : 1));
    T* out = kind == 0 ? parts.a : (kind == 1 ? parts.b : (kind == 2 ? parts.c : parts.d));
    const T* weights = tables + level.weights + (band * 4 + kind) * area + m;
    const T* table = tables + (kind >= 2 ? axis.sine : axis.cosine) + n;
    const T* values = spectrum + m;
    ProductTile<T> even, odd;
    const auto add = [&](ProductTile<T>& tile, int first, int count) {
#pragma unroll 4
      for (int k = first; k < first + count; ++k) {
        Four<T> left = four(values + k * pad_u);
        const Four<T> weight = four(weights + k * pad_u);
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          left.at[j] *= weight.at[j];
        }
        tile.add(left, four(table + k * axis.pad_computed));
      }
    };
    add(even, 0, axis.evens);
    add(odd, axis.pad_evens, axis.odds);
    const T sign = kind >= 2 ? T(-1) : T(1);  // mirrored, even sines change sign and odd cosines
    const bool vector = n + 4 <= axis.computed && axis.kept % 4 == 0;
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      T* row = out + (m + j) * pad_w;
      Four<T> near, far;
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        near.at[l] = even.sum[j][l] + odd.sum[j][l];
        far.at[3 - l] = sign * (even.sum[j][l] - odd.sum[j][l]);
      }
      if (vector) {
        *reinterpret_cast<Four<T>*>(row + n) = near;
        if (axis.folded()) {
          *reinterpret_cast<Four<T>*>(row + axis.kept - 4 - n) = far;
        }
        continue;
      }
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        const int x = n + l, mirrored = axis.kept - 1 - x;
        if (x < axis.computed) {
          row[x] = near.at[l];
          if (axis.folded() && mirrored > x) {
            row[mirrored] = far.at[3 - l];
          }
        }
      }
    }
  }
}

// The complex coefficients, rows `stride` apart: A cos - D sin and C cos + B sin along y. The
// weights of D are negative already.
template <typename T>
__device__ __forceinline__ void products_along_y(
    const CosineLevel& level,
    const T* tables,
    const BandProducts<T>& parts,
    int stride,
    T* re,
    T* im) {
  const CosineAxis& axis = level.y;
  const int pad_w = level.pad_w;
  for_tiles(axis.computed, level.x.kept, [&](int m, int n) {
    // What keeps its sign when y is mirrored, and what changes it.
    ProductTile<T> re_same, re_other, im_same, im_other;
    const auto add = [&](int table,
                         int first,
                         int count,
                         const T* to_re,
                         const T* to_im,
                         ProductTile<T>& real,
                         ProductTile<T>& imaginary) {
      if (to_re == nullptr && to_im == nullptr) {
        return;
      }
#pragma unroll 2  // more would spill
      for (int k = first; k < first + count; ++k) {
        const Four<T> left = four(tables + table + k * axis.pad_computed + m);
        if (to_re != nullptr) {
          real.add(left, four(to_re + k * pad_w + n));
        }
        if (to_im != nullptr) {
          imaginary.add(left, four(to_im + k * pad_w + n));
        }
      }
    };
    add(axis.cosine, 0, axis.evens, parts.a, parts.c, re_same, im_same);
    add(axis.cosine, axis.pad_evens, axis.odds, parts.a, parts.c, re_other, im_other);
    add(axis.sine, 0, axis.evens, parts.d, parts.b, re_other, im_other);
    add(axis.sine, axis.pad_evens, axis.odds, parts.d, parts.b, re_same, im_same);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const int y = m + i, x = n + j, mirrored = axis.kept - 1 - y;
        if (y < axis.computed && x < level.x.kept) {
          re[y * stride + x] = re_same.sum[i][j] + re_other.sum[i][j];
          im[y * stride + x] = im_same.sum[i][j] + im_other.sum[i][j];
          if (axis.folded() && mirrored > y) {
            re[mirrored * stride + x] = re_same.sum[i][j] - re_other.sum[i][j];
            im[mirrored * stride + x] = im_same.sum[i][j] - im_other.sum[i][j];
          }
        }
      }
    }
  });
}

// Of frames kSide x kSide with two bands, at level kNumber, all of it known when compiling; where
// kSide is 0, of any.
template <typename T, typename In, int kSide, int kNumber>
__device__ __forceinline__ void make_planes(
    const In* frames,
    int64_t frame,
    T scale,
    const CosinePlan& plan,
    int which,
    const T* tables,
    const Planes<T>& planes,
    int phase_turns) {
  constexpr int whole = 2 * kSide >> (kNumber - 1);
  const CosineLevel level =
      kSide > 0 ? cosine_level(kSide, kSide, whole, whole, kNumber, 2) : plan.levels[which];
  const int nbands = kSide > 0 ? 2 : plan.nbands;
  const CosineMemory memory = cosine_memory(level, nbands);
  T* spectrum = shared_memory<T>();  // [v, pad_u]
  T* products = spectrum + memory.products;
  T* shared_planes = spectrum + memory.planes;
  const CosineAxis& along_y = level.y;
  const CosineAxis& along_x = level.x;
  const int pad = padded4(level.x.frame), pad_u = along_y.pad, pad_w = level.pad_w;

  load_folded(
      frames + frame * level.y.frame * level.x.frame,
      scale,
      level.y.frame,
      level.x.frame,
      pad,
      products);
  __syncthreads();
  for_tiles(level.x.frame, pad_u, [&](int m, int n) {
    ProductTile<T> tile;
    const FoldedSamples samples(along_y, n);
    const T* table = tables + along_y.forward + n;
#pragma unroll 4
    for (int k = 0; k < samples.count; ++k) {
      tile.add(four(products + (samples.first + k) * pad + m), four(table + k * pad_u));
    }
    tile.put(shared_planes, pad_u, m, n, level.x.frame);
  });
  __syncthreads();
  for_tiles(along_x.pad, pad_u, [&](int m, int n) {
    ProductTile<T> tile;
    const FoldedSamples samples(along_x, m);
    const T* table = tables + along_x.forward + m;
#pragma unroll 4
    for (int k = 0; k < samples.count; ++k) {
      tile.add(
          four(table + k * along_x.pad), four(shared_planes + (samples.first + k) * pad_u + n));
    }
    tile.put(spectrum, pad_u, m, n, along_x.pad);
  });
  __syncthreads();

  const Region region{along_y.kept, along_x.kept};
  const PlaneTile all{0, 0, region, 0, 0, region.rows, region.columns};
  T* weighted = shared_planes + region.elements();
#pragma unroll(kSide > 0 ? 2 : 1)
  for (int band = 0; band < nbands; ++band) {
    // Along the axes the filter is even in k or in l, and what is odd vanishes.
    const bool odd_k = band != 0, odd_l = 2 * band != nbands;
    const BandProducts<T> parts = {
        products,
        odd_l ? products + pad_u * pad_w : nullptr,
        odd_k ? products + (odd_l ? 2 : 1) * pad_u * pad_w : nullptr,
        odd_k && odd_l ? products + 3 * pad_u * pad_w : nullptr};
    products_along_x(level, tables, band, nbands, spectrum, parts);
    __syncthreads();
    products_along_y(level, tables, parts, region.stride(), shared_planes, weighted);
    __syncthreads();
    const int64_t plane = frame * nbands + band;
    for (int i = static_cast<int>(threadIdx.x); i < region.rows * region.columns;
         i += static_cast<int>(blockDim.x)) {
      const int y = i / region.columns, x = i % region.columns;
      const int at = y * region.stride() + x;
      const T a = shared_planes[at], b = weighted[at];
      // Times (-i)^phase_turns.
      const T real = phase_turns == 0 ? a : (phase_turns == 1 ? b : (phase_turns == 2 ? -a : -b));
      const T imaginary =
          phase_turns == 0 ? b : (phase_turns == 1 ? -a : (phase_turns == 2 ? -b : a));
      put_phase(planes, all, plane, y, x, real, imaginary, shared_planes + at, weighted + at);
    }
    if (planes.denoised != nullptr) {
      denoise(planes, all, plane, 0, shared_planes);
    }
    __syncthreads();
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
  make_planes<T, In, 0, 1>(frames, blockIdx.x, scale, plan, which, tables, planes, phase_turns);
}

// Levels 1 and 2 of frames of 48 x 48, the larger ones first.
template <typename In>
__global__ void __launch_bounds__(256, kCosineBlocks<float>) both_planes_by_cosines(
    const In* frames,
    float scale,
    CosinePlan plan,
    const float* tables,
    Planes<float> first,
    Planes<float> second,
    int phase_turns) {
  const int64_t count = gridDim.x / 2, block = blockIdx.x;
  if (block < count) {
    make_planes<float, In, 48, 1>(
        frames, block, scale, plan, 0, tables + plan.levels[0].begin, first, phase_turns);
  } else {
    make_planes<float, In, 48, 2>(
        frames, block - count, scale, plan, 1, tables + plan.levels[1].begin, second, phase_turns);
  }
}

}  // namespace phasenet::cuda
