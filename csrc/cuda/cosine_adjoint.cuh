// From gradients of the coefficients to those of small frames, the adjoint of cosine_planes.cuh by
// the same tables: with the gradient's parts Re and Im, the spectrum's is
//   A (cos Re cos) - D (sin Re sin) + B (sin Im cos) + C (cos Im sin)
// of products along y, then along x, and the frame's is the adjoint of the cosine transform of
// that. What is mirrored is folded first. One block makes one frame of all levels.
#pragma once

#include "cosine_planes.cuh"

namespace phasenet::cuda {

constexpr int kAdjointThreads = 256;

// The levels' gradients, complex [frames, nbands, h, w].
template <typename T>
struct CosineGrads {
  const Complex<T>* of[kMostLevels];
};

// sum += left right, where both have their rows `ld` apart.
template <typename T>
__device__ __forceinline__ void add_product(
    ProductTile<T>& tile, const T* left, int left_ld, const T* right, int right_ld, int count) {
#pragma unroll 1
  for (int k = 0; k < count; k += 4) {
    Four<T> rows[4], by[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      rows[i] = four(left + i * left_ld + k);
      by[i] = four(right + (k + i) * right_ld);
    }
#pragma unroll
    for (int q = 0; q < 4; ++q) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          tile.sum[i][j] += rows[i].at[q] * by[q].at[j];
        }
      }
    }
  }
}

// sum += left right^T
template <typename T>
__device__ __forceinline__ void add_transposed(
    ProductTile<T>& tile, const T* left, int left_ld, const T* right, int right_ld, int count) {
#pragma unroll 1
  for (int k = 0; k < count; k += 4) {
    Four<T> rows[4], by[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      rows[i] = four(left + i * left_ld + k);
      by[i] = four(right + i * right_ld + k);
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
#pragma unroll
        for (int q = 0; q < 4; ++q) {
          tile.sum[i][j] += rows[i].at[q] * by[j].at[q];
        }
      }
    }
  }
}

// Where sums and differences of mirrored samples lie: differences behind, each a multiple of 4.
struct FoldedAxis {
  int differences;  // where they begin; 0 where nothing is folded
  int all;
};
__host__ __device__ constexpr FoldedAxis folded_kept(const CosineAxis& axis) {
  return {axis.folded() ? axis.pad_computed : 0, (axis.folded() ? 2 : 1) * axis.pad_computed};
}
__host__ __device__ constexpr FoldedAxis folded_frame(const CosineAxis& axis) {
  return {padded4((axis.frame + 1) / 2), 2 * padded4((axis.frame + 1) / 2)};
}

// Rows so far apart that eight of them share no banks.
__host__ __device__ constexpr int apart8(int n) {
  return n % 8 == 0 ? n + 4 : n;
}

// Where things lie in shared memory, behind the frame.
struct AdjointMemory {
  int spectrum;                             // [x.pad, y.pad]
  int grads, grads_plane, grads_ld;         // two planes [rows, columns], folded
  int products, product_plane, product_ld;  // two planes [y.pad, columns]
  int half, half_ld;                        // over these, [columns of the frame, y.pad]
  int elements;
};

__host__ __device__ constexpr AdjointMemory adjoint_memory(const CosineLevel& level) {
  AdjointMemory m{};
  m.spectrum = folded_frame(level.y).all * folded_frame(level.x).all;
  m.grads = m.spectrum + level.x.pad * level.y.pad;
  m.grads_ld = folded_kept(level.x).all;
  m.grads_plane = folded_kept(level.y).all * m.grads_ld;
  m.products = m.grads + 2 * m.grads_plane;
  m.product_ld = apart8(m.grads_ld);
  m.product_plane = level.y.pad * m.product_ld;
  m.half = m.grads;
  m.half_ld = apart8(level.y.pad);
  const int all = m.products + 2 * m.product_plane;
  const int half = m.half + folded_frame(level.x).all * m.half_ld;
  m.elements = all > half ? all : half;
  return m;
}

template <typename T>
int64_t adjoint_bytes(const CosinePlan& plan) {
  int most = 0;
  for (int i = 0; i < plan.count; ++i) {
    most = std::max(most, adjoint_memory(plan.levels[i]).elements);
  }
  return most * static_cast<int64_t>(sizeof(T));
}

// A plane's gradient, turned as the coefficients were and folded along both axes: Re, then Im.
template <typename T>
__device__ __forceinline__ void load_folded_grads(
    const Complex<T>* grads, const CosineLevel& level, int phase_turns, T* out) {
  const AdjointMemory memory = adjoint_memory(level);
  const CosineAxis &along_y = level.y, &along_x = level.x;
  const FoldedAxis rows = folded_kept(along_y), columns = folded_kept(along_x);
  const int width = along_x.kept;
  for (int i = static_cast<int>(threadIdx.x); i < along_y.pad_computed * along_x.pad_computed;
       i += kAdjointThreads) {
    const int y = i / along_x.pad_computed, x = i % along_x.pad_computed;
    const int under = along_y.kept - 1 - y, beside = width - 1 - x;
    const bool exists = y < along_y.computed && x < along_x.computed;
    const bool has_under = exists && along_y.folded() && under > y;
    const bool has_beside = exists && along_x.folded() && beside > x;
    const auto read = [&](bool is_there, int at_y, int at_x) {
      const Complex<T> zero{T(0), T(0)};
      const Complex<T> c = is_there ? grads[at_y * width + at_x] : zero;
      // Times i^phase_turns.
      const T re = phase_turns % 2 == 0 ? c.re : -c.im, im = phase_turns % 2 == 0 ? c.im : c.re;
      return phase_turns < 2 ? Complex<T>{re, im} : Complex<T>{-re, -im};
    };
    const Complex<T> a = read(exists, y, x), b = read(has_beside, y, beside);
    const Complex<T> c = read(has_under, under, x);
    const Complex<T> d = read(has_under && has_beside, under, beside);
    const auto put = [&](T* to, T one, T two, T three, T four) {
      T* at = to + y * memory.grads_ld + x;
      at[0] = (one + two) + (three + four);
      if (along_x.folded()) {
        at[columns.differences] = (one - two) + (three - four);
      }
      if (along_y.folded()) {
        at += rows.differences * memory.grads_ld;
        at[0] = (one + two) - (three + four);
        if (along_x.folded()) {
          at[columns.differences] = (one - two) - (three - four);
        }
      }
    };
    put(out, a.re, b.re, c.re, d.re);
    put(out + memory.grads_plane, a.im, b.im, c.im, d.im);
  }
}

// Adds to the spectrum's gradient what two of a band's four products give. Of weights A, B, C and
// D, 0 to 3, odd ones go with sines along y, B and C with the imaginary part.
template <typename T>
__device__ __forceinline__ void add_products(
    const CosineLevel& level, const T* tables, int band, int one, int other, T* shared) {
  const AdjointMemory memory = adjoint_memory(level);
  const CosineAxis &along_y = level.y, &along_x = level.x;
  // Even cosines and odd sines take sums of what is mirrored.
  const auto begin_of = [](const FoldedAxis& axis, bool even, bool sine) {
    return even == sine ? axis.differences : 0;
  };
  const int across = memory.grads_ld / 4, tiles = along_y.pad / 4 * across;
  for (int i = static_cast<int>(threadIdx.x); i < 2 * tiles; i += kAdjointThreads) {
    const int kind = i < tiles ? one : other;
    const int m = i % tiles / across * 4, n = i % across * 4;
    const bool sine = kind % 2 != 0, imaginary = kind == 1 || kind == 2;
    const int first = begin_of(folded_kept(along_y), m < along_y.pad_evens, sine);
    ProductTile<T> tile;
    add_product(
        tile,
        tables + (sine ? along_y.sine : along_y.cosine) + m * along_y.pad_computed,
        along_y.pad_computed,
        shared + memory.grads + (imaginary ? memory.grads_plane : 0) + first * memory.grads_ld + n,
        memory.grads_ld,
        along_y.pad_computed);
    tile.put(
        shared + memory.products + (i < tiles ? 0 : memory.product_plane),
        memory.product_ld,
        m,
        n,
        along_y.pad);
  }
  __syncthreads();
  const int area = along_x.pad * along_y.pad, far = along_y.pad / 4;
  for (int i = static_cast<int>(threadIdx.x); i < along_x.pad / 4 * far; i += kAdjointThreads) {
    const int m = i / far * 4, n = i % far;  // and every `far`-th after it
    T* out = shared + memory.spectrum + m * along_y.pad + n;
    T sum[4][4];
#pragma unroll
    for (int j = 0; j < 16; ++j) {
      sum[j / 4][j % 4] = out[j / 4 * along_y.pad + j % 4 * far];
    }
#pragma unroll
    for (int which = 0; which < 2; ++which) {
      const int kind = which == 0 ? one : other;
      const bool sine = kind >= 2;
      const int first = begin_of(folded_kept(along_x), m < along_x.pad_evens, sine);
      ProductTile<T> tile;
      add_transposed(
          tile,
          tables + (sine ? along_x.sine : along_x.cosine) + m * along_x.pad_computed,
          along_x.pad_computed,
          shared + memory.products + which * memory.product_plane + n * memory.product_ld + first,
          far * memory.product_ld,
          along_x.pad_computed);
      const T* weights = tables + level.weights + (band * 4 + kind) * area + m * along_y.pad + n;
#pragma unroll
      for (int j = 0; j < 16; ++j) {
        sum[j / 4][j % 4] += weights[j / 4 * along_y.pad + j % 4 * far] * tile.sum[j / 4][j % 4];
      }
    }
#pragma unroll
    for (int j = 0; j < 16; ++j) {
      out[j / 4 * along_y.pad + j % 4 * far] = sum[j / 4][j % 4];
    }
  }
  __syncthreads();
}

// Adds to the frame, folded, what the gradient of one level's spectrum gives.
template <typename T>
__device__ __forceinline__ void add_to_frame(
    const CosineLevel& level, const T* tables, bool is_first, T* shared) {
  const AdjointMemory memory = adjoint_memory(level);
  const CosineAxis &along_y = level.y, &along_x = level.x;
  const FoldedAxis rows = folded_frame(along_y), columns = folded_frame(along_x);
  const T *spectrum = shared + memory.spectrum, *half = shared + memory.half;
  // Frequencies that a sum of samples takes are even, those that a difference takes odd.
  for_tiles(columns.all, along_y.pad, [&](int m, int n) {
    const bool odd = m >= columns.differences;
    const int begin = odd ? along_x.pad_evens : 0, x = m - (odd ? columns.differences : 0);
    ProductTile<T> tile;
    add_product(
        tile,
        tables + along_x.forward + x * along_x.pad + begin,
        along_x.pad,
        spectrum + begin * along_y.pad + n,
        along_y.pad,
        odd ? along_x.pad - along_x.pad_evens : along_x.pad_evens);
    tile.put(shared + memory.half, memory.half_ld, m, n, columns.all);
  });
  __syncthreads();
  const int far = columns.all / 4;
  for (int i = static_cast<int>(threadIdx.x); i < rows.all / 4 * far; i += kAdjointThreads) {
    const int m = i / far * 4, n = i % far;
    const bool odd = m >= rows.differences;
    const int begin = odd ? along_y.pad_evens : 0, y = m - (odd ? rows.differences : 0);
    ProductTile<T> tile;
    add_transposed(
        tile,
        tables + along_y.forward + y * along_y.pad + begin,
        along_y.pad,
        half + n * memory.half_ld + begin,
        far * memory.half_ld,
        odd ? along_y.pad - along_y.pad_evens : along_y.pad_evens);
    T* out = shared + m * columns.all + n;
#pragma unroll
    for (int j = 0; j < 16; ++j) {
      T& to = out[j / 4 * columns.all + j % 4 * far];
      to = tile.sum[j / 4][j % 4] + (is_first ? T(0) : to);
    }
  }
  __syncthreads();
}

template <typename T>
__device__ __forceinline__ void add_level(
    const CosineLevel& level,
    const Complex<T>* grads,
    int64_t frame,
    int nbands,
    const T* tables,
    int phase_turns,
    bool is_first) {
  T* shared = shared_memory<T>();
  const AdjointMemory memory = adjoint_memory(level);
  for (int i = static_cast<int>(threadIdx.x); i < level.x.pad * level.y.pad; i += kAdjointThreads) {
    shared[memory.spectrum + i] = 0;
  }
  for (int band = 0; band < nbands; ++band) {
    load_folded_grads(
        grads + (frame * nbands + band) * level.y.kept * level.x.kept,
        level,
        phase_turns,
        shared + memory.grads);
    __syncthreads();
    // As in cosine_planes.cuh: along the axes a band has but two products.
    const bool odd_k = band != 0, odd_l = 2 * band != nbands;
    add_products(level, tables, band, 0, odd_l ? 2 : 1, shared);
    if (odd_k && odd_l) {
      add_products(level, tables, band, 1, 3, shared);
    }
  }
  add_to_frame(level, tables, is_first, shared);
}

// The frame's samples from sums and differences of mirrored ones.
template <typename T>
__device__ __forceinline__ void put_frame(
    const CosineAxis& along_y, const CosineAxis& along_x, T* out) {
  const T* shared = shared_memory<T>();
  const FoldedAxis rows = folded_frame(along_y), columns = folded_frame(along_x);
  const int h = along_y.frame, w = along_x.frame;
  for (int i = static_cast<int>(threadIdx.x); i < h * w; i += kAdjointThreads) {
    const int y = i / w, x = i % w, under = h - 1 - y, beside = w - 1 - x;
    const auto along_row = [&](int row) {
      const T* at = shared + row * columns.all + (x < beside ? x : beside);
      const T difference = x == beside ? T(0) : at[columns.differences];
      return at[0] + (x > beside ? -difference : difference);
    };
    const int row = y < under ? y : under;
    const T difference = y == under ? T(0) : along_row(rows.differences + row);
    out[i] = along_row(row) + (y > under ? -difference : difference);
  }
}

template <typename T>
__global__ void __launch_bounds__(kAdjointThreads, kCosineBlocks<T>) frames_by_cosines(
    CosineGrads<T> grads, CosinePlan plan, const T* tables, int phase_turns, T* out) {
  const int64_t frame = blockIdx.x;
  for (int i = 0; i < plan.count; ++i) {
    const CosineLevel level = plan.levels[i];
    add_level(level, grads.of[i], frame, plan.nbands, tables + level.begin, phase_turns, i == 0);
  }
  const CosineAxis along_y = plan.levels[0].y, along_x = plan.levels[0].x;
  put_frame(along_y, along_x, out + frame * along_y.frame * along_x.frame);
}

}  // namespace phasenet::cuda
