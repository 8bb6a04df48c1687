// The tables of the products that cosine_planes.cuh makes: what they are, where they lie, and the
// kernel that computes them.
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

}  // namespace phasenet::cuda
