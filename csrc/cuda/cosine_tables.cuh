// The tables of the products that cosine_planes.cuh makes: what they are, where they lie, and the
// kernel that computes them.
#pragma once

#include "denoise.cuh"

namespace phasenet::cuda {

constexpr int kMostLevels = 16;

// One axis of a level. With n samples, theta_k(n - 1 - y) = pi k - theta_k(y) for the frame and for
// the finest level: half of the samples, for even and odd frequencies apart, give the others too.
// Frequencies lie by parity: even ones at [0, evens), odd ones at [pad_evens, pad_evens + odds).
struct CosineAxis {
  int frame, kept, whole;  // samples of the frame, of the kept quarter, of the mirrored band
  int evens, odds;
  int pad_evens, pad;          // multiples of 4
  int computed, pad_computed;  // samples of the kept quarter that the others follow from
  int forward, cosine,
      sine;  // where tables begin: [(frame + 1) / 2, pad], twice [pad, pad_computed]

  __host__ __device__ constexpr bool folded() const {
    return computed < kept;
  }
  // What frequency lies at a position, -1 if none.
  __device__ int frequency(int position) const {
    if (position < pad_evens) {
      return position < evens ? 2 * position : -1;
    }
    const int odd = position - pad_evens;
    return odd < odds ? 2 * odd + 1 : -1;
  }
};

// One level. Its tables lie in one buffer with the others', all computed on the device at each
// call: nothing to upload, nothing to keep.
struct CosineLevel {
  CosineAxis y, x;
  int number;   // 1 is the finest
  int pad_w;    // the kept columns, a multiple of 4
  int weights;  // where they begin: [nbands, 4, x.pad, y.pad]
  int size;     // of the tables
  int begin;    // of the tables in the buffer; all else counts from there
};

// An axis of a frame of `side` samples; its tables begin at `end`, which moves behind them.
__host__ __device__ constexpr CosineAxis cosine_axis(int side, int whole, int number, int& end) {
  CosineAxis axis{};
  axis.frame = side;
  axis.whole = whole;
  axis.kept = whole / 2;
  // Frequencies k with k / side < 2^(1 - level): the filter is zero from there on.
  const int reach = number > 30 ? 1 : (side + (1 << (number - 1)) - 1) >> (number - 1);
  axis.evens = (reach + 1) / 2;
  axis.odds = reach / 2;
  axis.pad_evens = padded4(axis.evens);
  axis.pad = axis.pad_evens + padded4(axis.odds);
  axis.computed = number == 1 ? (axis.kept + 1) / 2 : axis.kept;
  axis.pad_computed = padded4(axis.computed);
  axis.forward = end;
  axis.cosine = axis.forward + (side + 1) / 2 * axis.pad;
  axis.sine = axis.cosine + axis.pad * axis.pad_computed;
  end = axis.sine + axis.pad * axis.pad_computed;
  return axis;
}

// Level `number` of frames [h, w], whose mirrored bands are [whole_h, whole_w].
__host__ __device__ constexpr CosineLevel cosine_level(
    int h, int w, int whole_h, int whole_w, int number, int nbands) {
  CosineLevel level{};
  int end = 0;
  level.y = cosine_axis(h, whole_h, number, end);
  level.x = cosine_axis(w, whole_w, number, end);
  level.number = number;
  level.pad_w = padded4(level.x.kept);
  level.weights = end;
  level.size = end + nbands * 4 * level.x.pad * level.y.pad;
  return level;
}

struct CosinePlan {
  bool pays = false;
  int nbands = 0, count = 0;
  CosineLevel levels[kMostLevels];
  int table_elements = 0;
};

// Elements of shared memory that a block needs: X; then the products of which a band has two or,
// between the axes, four, over which frame and blurs lie too; then amplitudes and weighted phases.
struct CosineMemory {
  int products, planes, elements;
};

__host__ __device__ constexpr CosineMemory cosine_memory(const CosineLevel& level, int nbands) {
  const Region region{level.y.kept, level.x.kept};
  const int frame = level.y.frame * padded4(level.x.frame), half = level.x.frame * level.y.pad;
  const int product_count = nbands == 2 ? 2 : 4;
  int products = product_count * level.y.pad * level.pad_w;
  int planes = 4 * region.elements();
  products = products > frame ? products : frame;
  planes = planes > half ? planes : half;
  CosineMemory memory{level.x.pad * level.y.pad, 0, 0};
  memory.planes = memory.products + padded4(products);
  memory.elements = memory.planes + padded4(planes);
  return memory;
}

template <typename T>
int64_t cosine_bytes(const CosineLevel& level, int nbands) {
  return cosine_memory(level, nbands).elements * static_cast<int64_t>(sizeof(T)) + 8 +
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
  plan.nbands = static_cast<int>(options.nbands);
  plan.pays = true;
  for (const int64_t number : options.levels) {
    const Size whole = sizes[number - 1];
    CosineLevel& level = plan.levels[plan.count++];
    level = cosine_level(
        static_cast<int>(frame.h),
        static_cast<int>(frame.w),
        static_cast<int>(whole.h),
        static_cast<int>(whole.w),
        static_cast<int>(number),
        plan.nbands);
    level.begin = plan.table_elements;
    plan.table_elements += level.size;
    plan.pays = plan.pays && level.y.kept > 0 && level.x.kept > 0 &&
                cosine_bytes<T>(level, plan.nbands) <= shared_limit;
  }
  return plan;
}

// The filter of a band at one frequency of the mirrored frame, without (-i)^n: the analytic half
// plane of sqrt(c) cos(d)^n, twice, times the radial masks that lead to the level.
__device__ inline double analytic_weight(
    const CosineLevel& level, const Directions<double>& all, int nbands, int band, int k, int l) {
  const double fy = double(k) / level.y.frame, fx = double(l) / level.x.frame;
  const double square = fy * fy + fx * fx;
  if (square == 0) {
    return 0;
  }
  const bool upright = 2 * band == nbands;  // cos(pi / 2) is not 0 in floating point
  const double cosine = upright ? 0.0 : all.cosine[band], sine = all.sine[band];
  const double along = (fx * cosine + fy * sine) / std::sqrt(square);
  if (along <= 0) {
    return 0;
  }
  // cos(pi / 4 log2 s) for 1 / 4 < s < 4, the square radius s scaled by 4^level; see filters.cuh.
  const double octaves = 0.5 * std::log2(square) + level.number;
  if (octaves <= -1 || octaves >= 1) {
    return 0;
  }
  double angular = 1;
  for (int i = 1; i < nbands; ++i) {
    angular *= along;
  }
  return 2 * all.scale * angular * std::cos(kPi / 2 * octaves);
}

// Summed over the signs of k and l, with the sign of k where `kind` has 1, that of l where it
// has 2.
__device__ inline double summed_weight(
    const CosineLevel& level,
    const Directions<double>& all,
    int nbands,
    int band,
    int kind,
    int k,
    int l) {
  double sum = 0;
  for (int sign_k = 1; sign_k >= (k > 0 ? -1 : 1); sign_k -= 2) {
    for (int sign_l = 1; sign_l >= (l > 0 ? -1 : 1); sign_l -= 2) {
      const double sign = (kind & 1 ? sign_k : 1) * (kind & 2 ? sign_l : 1);
      sum += sign * analytic_weight(level, all, nbands, band, sign_k * k, sign_l * l);
    }
  }
  return sum;
}

template <typename T>
__global__ void cosine_tables(CosinePlan plan, Directions<double> all, T* out) {
  const int element = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (element >= plan.table_elements) {
    return;
  }
  int n = 0;
  while (element >= plan.levels[n].begin + plan.levels[n].size) {
    ++n;
  }
  const CosineLevel& level = plan.levels[n];
  const int i = element - level.begin;
  double value = 0;
  if (i < level.weights) {
    const CosineAxis& axis = i < level.x.forward ? level.y : level.x;
    if (i < axis.cosine) {  // cos(pi k (2 y + 1) / 2H), twice
      const int at = i - axis.forward, y = at / axis.pad, k = axis.frequency(at % axis.pad);
      const int64_t turns = int64_t{k} * (2 * y + 1) % (4 * axis.frame);
      value = k < 0 ? 0 : 2 * cospi(double(turns) / (2 * axis.frame));
    } else {
      const bool sine = i >= axis.sine;
      const int at = i - (sine ? axis.sine : axis.cosine);
      const int y = at % axis.pad_computed, k = axis.frequency(at / axis.pad_computed);
      const double turns =
          double(k) / (2 * axis.frame) + double(2 * int64_t{k} * y % (2 * axis.whole)) / axis.whole;
      value = k < 0 ? 0 : (sine ? sinpi(turns) : cospi(turns));
    }
  } else {
    const int at = i - level.weights, area = level.x.pad * level.y.pad;
    const int k = level.y.frequency(at % level.y.pad);
    const int l = level.x.frequency(at / level.y.pad % level.x.pad);
    const int kind = at / area % 4, band = at / (4 * area);
    if (k >= 0 && l >= 0) {
      value = summed_weight(level, all, plan.nbands, band, kind, k, l);
    }
    // D is subtracted.
    value *= (kind == 3 ? -1 : 1) / (double(level.y.whole) * level.x.whole);
  }
  out[element] = static_cast<T>(value);
}

}  // namespace phasenet::cuda
