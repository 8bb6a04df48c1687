// Planes of small frames without any FFT. The spectrum of the mirrored frame is its cosine
// transform X (DCT-II), so with theta_k(y) = pi k (1 / 2H + 2 y / h) a band's kept quarter is
//   sum over k, l >= 0 of X[k, l] (A cos cos - D sin sin + i (B sin cos + C cos sin)),
// where A, B, C, D sum the filter over the signs of k and l with no sign, that of k, of l, of both.
// These are products of small matrices in shared memory. One block makes all bands of one level
// of one frame.
#pragma once

#include "denoise.cuh"

namespace phasenet::cuda {

constexpr int kMostLevels = 16;

// Tables of one level in one buffer, all computed on the device at each call: nothing to upload,
// nothing to keep. Leading dimensions are multiples of 4.
struct CosineLevel {
  int h, w, u, v;  // the kept quarter; frequencies along y and x
  int pad_w, pad_h, pad_u, pad_v;
  int whole_h, whole_w;                    // of the mirrored band
  int number;                              // 1 is the finest
  int forward_y, forward_x;                // where they begin: [H, pad_u], [W, pad_v]
  int cosine_y, sine_y, cosine_x, sine_x;  // [u, pad_h], [v, pad_w]
  int weights;                             // [nbands, 4, v, pad_u]
  int end;
};

struct CosinePlan {
  bool pays = false;
  int frame_h = 0, frame_w = 0, nbands = 0, count = 0;
  CosineLevel levels[kMostLevels];
  int table_elements = 0;
};

__host__ __device__ inline int padded4(int n) {
  return (n + 3) / 4 * 4;
}

// Elements of shared memory that a block needs: X; then the products of which a band has two or,
// between the axes, four, over which frame and blurs lie too; then amplitudes and weighted phases.
struct CosineMemory {
  int products, planes, elements;
};

__host__ __device__ inline CosineMemory cosine_memory(
    const CosinePlan& plan, const CosineLevel& level) {
  const Region region{level.h, level.w};
  const int frame = plan.frame_h * padded4(plan.frame_w), half = plan.frame_w * level.pad_u;
  const int product_count = plan.nbands == 2 ? 2 : 4;
  int products = product_count * level.u * level.pad_w;
  int planes = 4 * region.elements();
  products = products > frame ? products : frame;
  planes = planes > half ? planes : half;
  CosineMemory memory{level.v * level.pad_u, 0, 0};
  memory.planes = memory.products + padded4(products);
  memory.elements = memory.planes + padded4(planes);
  return memory;
}

template <typename T>
int64_t cosine_bytes(const CosinePlan& plan, const CosineLevel& level) {
  return cosine_memory(plan, level).elements * static_cast<int64_t>(sizeof(T)) + 8 +
         33 * static_cast<int64_t>(sizeof(double));
}

template <typename T>
CosinePlan cosine_plan(
    Size frame, const std::vector<Size>& sizes, const PhaseOptions& options, int64_t shared_limit) {
  constexpr int64_t most = 64;  // longer sides take more operations than an FFT of them
  CosinePlan plan;
  if (frame.h > most || frame.w > most ||
      options.levels.size() > static_cast<size_t>(kMostLevels)) {
    return plan;
  }
  plan.frame_h = static_cast<int>(frame.h);
  plan.frame_w = static_cast<int>(frame.w);
  plan.nbands = static_cast<int>(options.nbands);
  int end = 0;
  const auto take = [&end](int elements) {
    const int begin = end;
    end += elements;
    return begin;
  };
  plan.pays = true;
  for (const int64_t number : options.levels) {
    const Size whole = sizes[number - 1];
    CosineLevel& level = plan.levels[plan.count++];
    // Frequencies k with k / H < 2^(1 - level): the filter is zero from there on.
    const auto reach = [&](int64_t side) {
      return static_cast<int>((side + (int64_t{1} << (number - 1)) - 1) >> (number - 1));
    };
    level.h = static_cast<int>(whole.h / 2);
    level.w = static_cast<int>(whole.w / 2);
    level.u = reach(frame.h);
    level.v = reach(frame.w);
    level.pad_h = padded4(level.h);
    level.pad_w = padded4(level.w);
    level.pad_u = padded4(level.u);
    level.pad_v = padded4(level.v);
    level.whole_h = static_cast<int>(whole.h);
    level.whole_w = static_cast<int>(whole.w);
    level.number = static_cast<int>(number);
    level.forward_y = take(plan.frame_h * level.pad_u);
    level.forward_x = take(plan.frame_w * level.pad_v);
    level.cosine_y = take(level.u * level.pad_h);
    level.sine_y = take(level.u * level.pad_h);
    level.cosine_x = take(level.v * level.pad_w);
    level.sine_x = take(level.v * level.pad_w);
    level.weights = take(plan.nbands * 4 * level.v * level.pad_u);
    level.end = end;
    plan.pays =
        plan.pays && level.h > 0 && level.w > 0 && cosine_bytes<T>(plan, level) <= shared_limit;
  }
  plan.table_elements = end;
  return plan;
}

// The filter of a band at one frequency of the mirrored frame, without (-i)^n: the analytic half
// plane of sqrt(c) cos(d)^n, twice, times the radial masks that lead to the level.
__device__ inline double analytic_weight(
    const CosinePlan& plan, const Directions<double>& all, int number, int band, int k, int l) {
  const double fy = double(k) / plan.frame_h, fx = double(l) / plan.frame_w;
  const double square = fy * fy + fx * fx;
  if (square == 0) {
    return 0;
  }
  const bool upright = 2 * band == plan.nbands;  // cos(pi / 2) is not 0 in floating point
  const double cosine = upright ? 0.0 : all.cosine[band], sine = all.sine[band];
  const double along = (fx * cosine + fy * sine) / std::sqrt(square);
  if (along <= 0) {
    return 0;
  }
  // cos(pi / 4 log2 s) for 1 / 4 < s < 4, the square radius s scaled by 4^level; see filters.cuh.
  const double octaves = 0.5 * std::log2(square) + number;
  if (octaves <= -1 || octaves >= 1) {
    return 0;
  }
  double angular = 1;
  for (int i = 1; i < plan.nbands; ++i) {
    angular *= along;
  }
  return 2 * all.scale * angular * std::cos(kPi / 2 * octaves);
}

template <typename T>
__global__ void cosine_tables(CosinePlan plan, Directions<double> all, T* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i >= plan.table_elements) {
    return;
  }
  int n = 0;
  while (i >= plan.levels[n].end) {
    ++n;
  }
  const CosineLevel& level = plan.levels[n];
  double value = 0;
  if (i < level.cosine_y) {  // cos(pi k (2 y + 1) / 2H), twice
    const bool along_y = i < level.forward_x;
    const int at = i - (along_y ? level.forward_y : level.forward_x);
    const int pad = along_y ? level.pad_u : level.pad_v;
    const int side = along_y ? plan.frame_h : plan.frame_w;
    const int k = at % pad, y = at / pad;
    const int64_t turns = int64_t{k} * (2 * y + 1) % (4 * side);
    value = 2 * cospi(double(turns) / (2 * side));
  } else if (i < level.weights) {
    const bool along_y = i < level.cosine_x;
    const int first = along_y ? level.cosine_y : level.cosine_x;
    const int second = along_y ? level.sine_y : level.sine_x;
    const bool sine = i >= second;
    const int at = i - (sine ? second : first);
    const int pad = along_y ? level.pad_h : level.pad_w;
    const int side = along_y ? plan.frame_h : plan.frame_w;
    const int whole = along_y ? level.whole_h : level.whole_w;
    const int y = at % pad, k = at / pad;
    const double turns = double(k) / (2 * side) + double(2 * int64_t{k} * y % (2 * whole)) / whole;
    value = sine ? sinpi(turns) : cospi(turns);
  } else {
    const int at = i - level.weights;
    const int k = at % level.pad_u, l = at / level.pad_u % level.v;
    const int kind = at / (level.pad_u * level.v) % 4, band = at / (level.pad_u * level.v * 4);
    for (int sign_k = 1; sign_k >= (k > 0 ? -1 : 1); sign_k -= 2) {
      for (int sign_l = 1; sign_l >= (l > 0 ? -1 : 1); sign_l -= 2) {
        const double sign = (kind & 1 ? sign_k : 1) * (kind & 2 ? sign_l : 1);
        value += sign * analytic_weight(plan, all, level.number, band, sign_k * k, sign_l * l);
      }
    }
    value = k < level.u ? value / (double(level.whole_h) * level.whole_w) : 0;
  }
  out[i] = static_cast<T>(value);
}

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
