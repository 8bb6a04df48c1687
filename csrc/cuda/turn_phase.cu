// Coefficients with turned phases, and the filters in time of how far phases have come.
#include "../common/turns.h"
#include "filters.cuh"
#include "operators.h"
#include "polar.cuh"
#include "workspace.h"

namespace phasenet::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kMostTaps = 161;

// A kernel's parameters.
template <typename T>
struct Taps {
  int reach;
  T at[kMostTaps];
};

template <typename T>
struct Sections {
  int count;
  T gain, limit;
  bool still, first;
  T numbers[kMostSections * kSectionNumbers];
};

// Blurs amplitudes, and turns weighted with them, along the part of a row that is a block's.
template <typename T>
__global__ void blur_rows(
    const Complex<T>* bands, const T* turns, int w, Taps<T> taps, T* weights, T* weighted) {
  const int across = (w + kThreads - 1) / kThreads;
  const int64_t row = blockIdx.x / across * int64_t{w};
  const int begin = static_cast<int>(blockIdx.x % across) * kThreads;
  const int i = static_cast<int>(threadIdx.x);
  T* weight = shared_memory<T>();
  T* product = weight + kThreads + 2 * taps.reach;
  for (int j = i; j < kThreads + 2 * taps.reach; j += kThreads) {
    const int x = begin + j - taps.reach;
    T magnitude = 0, turn = 0;
    if (x >= 0 && x < w) {
      const Complex<T> c = bands[row + x];
      magnitude = magnitude_of(c.im, c.re) + T(1e-10);
      turn = turns[row + x];
    }
    weight[j] = magnitude;
    product[j] = magnitude * turn;
  }
  __syncthreads();
  if (begin + i < w) {
    const int at = i + taps.reach;
    T sum = weight[at], turned = product[at];
    for (int k = 1; k <= taps.reach; ++k) {
      sum += taps.at[k] * (weight[at - k] + weight[at + k]);
      turned += taps.at[k] * (product[at - k] + product[at + k]);
    }
    weights[row + begin + i] = sum;
    weighted[row + begin + i] = turned;
  }
}

// Blurs both along columns, and turns each coefficient by their quotient; without a reach
// `weighted` are the turns. `still`: how far the phases have come, which is taken off; or null.
template <typename T>
__global__ void turn_columns(
    const Complex<T>* bands,
    const T* weights,
    const T* weighted,
    const T* still,
    int64_t count,
    int h,
    int w,
    Taps<T> taps,
    Complex<T>* out) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) {
    return;
  }
  T angle = weighted[i];
  if (taps.reach > 0) {
    const int y = static_cast<int>(i / w % h);
    T weight = weights[i];
    for (int k = 1; k <= taps.reach; ++k) {
      const int64_t step = int64_t{k} * w;
      if (y >= k) {
        weight += taps.at[k] * weights[i - step];
        angle += taps.at[k] * weighted[i - step];
      }
      if (y + k < h) {
        weight += taps.at[k] * weights[i + step];
        angle += taps.at[k] * weighted[i + step];
      }
    }
    angle /= weight;
  }
  if (still != nullptr) {
    angle -= still[i];
  }
  Complex<T> turn;
  sine_and_cosine(within_a_turn(angle), &turn.im, &turn.re);
  out[i] = bands[i] * turn;
}

// One step of every phase. The planes of the state lie `count` apart.
template <typename T>
__global__ void filter_phases(
    const Complex<T>* bands, int64_t count, Sections<T> sections, T* state, T* turns) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= count) {
    return;
  }
  const T phase = phase_of_any(bands[i].im, bands[i].re);
  T value = 0;
  if (!sections.first) {
    T step = phase - state[i];
    step = step > T(kPi) ? step - T(2 * kPi) : step;
    step = step < -T(kPi) ? step + T(2 * kPi) : step;
    value = state[count + i] + step;
  }
  state[i] = phase;
  state[count + i] = value;
  for (int j = 0; j < sections.count; ++j) {
    const T* c = sections.numbers + j * kSectionNumbers;
    T* first = state + (2 + 2 * j) * count + i;
    T* second = first + count;
    const T in = value, one = sections.first ? T(0) : *first, two = sections.first ? T(0) : *second;
    value = c[0] * in + one;
    *first = c[1] * in - c[3] * value + two;
    *second = c[2] * in - c[4] * value;
  }
  value *= sections.gain;
  if (sections.limit > T(0)) {
    const T part = value / sections.limit, square_part = part * part;
    value /= sqrt(sqrt(1 + square_part * square_part));
  }
  turns[i] = value;
}

template <typename T>
Taps<T> taps_of(double smoothing) {
  const std::vector<T> taps = gaussian_taps<T>(smoothing);
  Taps<T> result{static_cast<int>(taps.size()) - 1, {}};
  std::copy(taps.begin(), taps.end(), result.at);
  return result;
}

// Turns coefficients to `out`, which may be themselves. `turns_of(memory)` gives the turns, for
// which there is memory.
template <typename T, typename TurnsOf>
void turn(
    const Launch& launch,
    const Tensor& bands,
    double smoothing,
    bool own_turns,
    const T* still,
    Complex<T>* out,
    const TurnsOf& turns_of) {
  const auto [h, w] = image_size(bands);
  const int64_t count = bands.numel(), row_blocks = count / w * blocks_for(w, kThreads);
  const Taps<T> taps = taps_of<T>(smoothing);
  T *room = nullptr, *weights = nullptr, *weighted = nullptr;
  const Tensor memory = divide(bands, [&](Pieces& pieces) {
    room = pieces.take<T>(own_turns ? count : 0);
    weights = pieces.take<T>(taps.reach > 0 ? count : 0);
    weighted = pieces.take<T>(taps.reach > 0 ? count : 0);
  });
  const T* turns = turns_of(room);
  const auto* from = static_cast<const Complex<T>*>(bands.const_data_ptr());
  if (taps.reach > 0) {
    const int64_t shared = 2 * (kThreads + 2 * taps.reach) * static_cast<int64_t>(sizeof(T));
    launch(
        blur_rows<T>, row_blocks, dim3(kThreads), shared, from, turns, w, taps, weights, weighted);
  }
  launch(
      turn_columns<T>,
      blocks_for(count, kThreads),
      dim3(kThreads),
      0,
      from,
      weights,
      taps.reach > 0 ? weighted : turns,
      still,
      count,
      h,
      w,
      taps,
      out);
}

}  // namespace

Tensor turn_phase(const Tensor& bands, const Tensor& turns, double smoothing) {
  constexpr const char* kName = "phasenet::turn_phase";
  check_turned(kName, bands, smoothing);
  const Tensor from = dense(bands);
  Tensor out = empty_like_device(from, leading(from, 0), bands.scalar_type());
  with_band_dtype(kName, bands, [&](auto zero) {
    using T = decltype(zero);
    check_turns<T>(kName, bands, turns);
    if (bands.numel() == 0) {
      return;
    }
    const Tensor by = dense(turns);
    const Launch launch(from);
    auto* to = static_cast<Complex<T>*>(out.mutable_data_ptr());
    turn<T>(
        launch, from, smoothing, false, nullptr, to, [&](T*) { return by.const_data_ptr<T>(); });
  });
  return out;
}

void turn_phase_push(
    Tensor bands,
    Tensor state,
    int64_t t,
    std::vector<double> filter,
    double gain,
    bool still,
    double smoothing,
    double limit) {
  constexpr const char* kName = "phasenet::turn_phase_push";
  check_turned(kName, bands, smoothing);
  check_limit(kName, limit);
  with_band_dtype(kName, bands, [&](auto zero) {
    using T = decltype(zero);
    const std::vector<T> numbers = section_numbers<T>(kName, filter);
    Sections<T> sections{
        static_cast<int>(numbers.size() / kSectionNumbers),
        static_cast<T>(gain),
        static_cast<T>(limit),
        still,
        t == 0,
        {}};
    std::copy(numbers.begin(), numbers.end(), sections.numbers);
    check_state<T>(kName, bands, state, numbers.size() / kSectionNumbers);
    if (bands.numel() == 0) {
      return;
    }
    const Launch launch(bands);
    const int64_t count = bands.numel();
    auto* in_place = static_cast<Complex<T>*>(bands.mutable_data_ptr());
    T* planes = state.mutable_data_ptr<T>();
    const T* moved = still ? planes + count : nullptr;
    turn<T>(launch, bands, smoothing, true, moved, in_place, [&](T* turns) {
      launch(
          filter_phases<T>,
          blocks_for(count, kThreads),
          dim3(kThreads),
          0,
          in_place,
          count,
          sections,
          planes,
          turns);
      return turns;
    });
  });
}

}  // namespace phasenet::cuda
