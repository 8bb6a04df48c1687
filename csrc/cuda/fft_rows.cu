// Fourier transforms along the rows of planes. Images and coefficients are read and written once,
// and leave L2 to the planes.
#include "fft.cuh"
#include "fft_passes.h"

namespace phasenet::cuda {
namespace {

constexpr int kRowThreads = 128;

// Rows, or pairs of them, at once in a block.
template <int kSize>
constexpr int kAtOnce = kRowThreads / FftShape<kSize>::kThreads;

template <int kSize>
constexpr int64_t kRowBytes = Exchange<kSize, 1>::bytes(kAtOnce<kSize>);

// A thread's part of the lines that its block takes: `turns` times kAtOnce of them in a row.
template <int kSize>
struct Lines {
  int thread = static_cast<int>(threadIdx.x) % FftShape<kSize>::kThreads;
  int place = static_cast<int>(threadIdx.x) / FftShape<kSize>::kThreads;
  int first;

  __device__ explicit Lines(int turns)
      : first(static_cast<int>(blockIdx.x) * (turns * kAtOnce<kSize>)+place) {
  }
};

// Two real rows are the real and imaginary parts of one complex row.
template <int kSize, int kApart>
__global__ void __launch_bounds__(kRowThreads) real_to_half(RealRows p, int turns) {
  using Shape = FftShape<kSize>;
  constexpr int kPitch = kSize / 2 + 4, kHalf = Shape::kEach / 2, kThreads = Shape::kThreads;
  const Lines<kSize> lines(turns);
  const int t = lines.thread;
  Exchange<kSize, 1> exchange(kAtOnce<kSize>, lines.place, t);
  const Fft<kSize> fft(t);
  for (int turn = 0; turn < turns; ++turn) {
    const int64_t pair = lines.first + turn * kAtOnce<kSize>;
    const bool exists = pair < p.rows / 2;
    const float* row = p.real + (pair * (2 * kSize) + t) * kApart;
    Value v[Shape::kEach] = {};
    if (exists) {
#pragma unroll
      for (int i = 0; i < Shape::kEach; ++i) {
        v[i].re = load_once(row + i * kThreads * kApart);
        v[i].im = load_once(row + (i * kThreads + kSize) * kApart);
      }
    }
    fft(v, exchange);
    Value opposite[kHalf];
    exchange.mirror(v, opposite);
    if (!exists) {
      continue;
    }
    Value* half = p.half + pair * (2 * kPitch) + t;
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      half[i * kThreads] = v[i] + conjugate(opposite[i]);
      half[i * kThreads + kPitch] = turned(v[i] - conjugate(opposite[i]));
    }
    if (kApart == 1 && t == 0) {
      half[kSize / 2] = {2 * v[kHalf].re, 0.0f};
      half[kSize / 2 + kPitch] = {2 * v[kHalf].im, 0.0f};
    }
  }
}

template <int kSize, int kApart>
__global__ void __launch_bounds__(kRowThreads) half_to_real(RealRows p, int turns) {
  using Shape = FftShape<kSize>;
  constexpr int kPitch = kSize / 2 + 4, kThreads = Shape::kThreads;
  const Lines<kSize> lines(turns);
  const int t = lines.thread;
  Exchange<kSize, 1> exchange(kAtOnce<kSize>, lines.place, t);
  const Fft<kSize> fft(t);
  for (int turn = 0; turn < turns; ++turn) {
    const int64_t pair = lines.first + turn * kAtOnce<kSize>;
    const bool exists = pair < p.rows / 2;
    const Value* half = p.half + pair * (2 * kPitch);
    Value v[Shape::kEach] = {};
    if (exists) {
#pragma unroll
      for (int i = 0; i < Shape::kEach; ++i) {
        const bool is_lower = i < Shape::kEach / 2;
        const Value* at = half + (is_lower ? t + i * kThreads : kSize - i * kThreads - t);
        Value a{}, b{};
        if (kApart == 1 || i != Shape::kEach / 2 || t > 0) {
          a = at[0];
          b = at[kPitch];
        }
        // a + i b, or of the opposite frequency's conjugates; parts swapped for the inverse.
        v[i] = is_lower ? Value{a.im + b.re, a.re - b.im} : Value{b.re - a.im, a.re + b.im};
      }
    }
    fft(v, exchange);
    if (!exists) {
      continue;
    }
    float* row = p.real + (pair * (2 * kSize) + t) * kApart;
#pragma unroll
    for (int i = 0; i < Shape::kEach; ++i) {
      if constexpr (kApart == 1) {
        store_once(row + i * kThreads, v[i].im);
        store_once(row + i * kThreads + kSize, v[i].re);
      } else {
        Value* to = reinterpret_cast<Value*>(row);
        store_once(to + i * kThreads, Value{v[i].im, 0.0f});
        store_once(to + i * kThreads + kSize, Value{v[i].re, 0.0f});
      }
    }
  }
}

// A block's rows are of one band, if it has several turns.
template <int kSize, bool to_bands>
__global__ void __launch_bounds__(kRowThreads) band_rows(BandRows p, int turns) {
  using Shape = FftShape<kSize>;
  constexpr int kThreads = Shape::kThreads, kHalf = Shape::kEach / 2;
  const Lines<kSize> lines(turns);
  const int t = lines.thread;
  const int band = (lines.first >> p.h_log2) % p.count;
  const int here = p.limits[band][0], there = p.limits[band][1];
  Exchange<kSize, 1> exchange(kAtOnce<kSize>, lines.place, t);
  const Fft<kSize> fft(t);
  for (int turn = 0; turn < turns; ++turn) {
    const int64_t row = lines.first + turn * kAtOnce<kSize>;
    const bool exists = row < p.rows;
    Value* const band_row = p.bands + row * kSize + t;
    Value* const plane_row = p.planes + row * kSize + t;
    Value* const opposite_row = p.planes + (row + 1) * kSize - t;
    // Whether the plane has this thread's value i, of frequency k, and that of -k, which is i of
    // the second half; -w / 2 is zero.
    const int lower = exists ? here - t : 0, upper = exists ? there + t : 0;
    const auto has = [&](int i) { return i * kThreads < lower; };
    const auto has_opposite = [&](int i) {
      return kSize / 2 - i * kThreads < upper && (i > 0 || t > 0);
    };
    Value v[Shape::kEach] = {};
    if constexpr (to_bands) {
#pragma unroll
      for (int i = 0; i < kHalf; ++i) {
        Value conjugated{};
        if (has(i)) {
          v[i] = plane_row[i * kThreads];
        }
        if (has_opposite(i)) {
          conjugated = opposite_row[-i * kThreads];
        }
        v[i] = swapped(v[i]);
        v[i + kHalf] = swapped(conjugate(conjugated));
      }
      fft(v, exchange);
      if (exists) {
#pragma unroll
        for (int i = 0; i < Shape::kEach; ++i) {
          store_once(band_row + i * kThreads, swapped(v[i]));
        }
      }
    } else {
      if (exists) {
#pragma unroll
        for (int i = 0; i < Shape::kEach; ++i) {
          v[i] = load_once(band_row + i * kThreads);
        }
      }
      fft(v, exchange);
#pragma unroll
      for (int i = 0; i < kHalf; ++i) {
        if (has(i)) {
          plane_row[i * kThreads] = v[i];
        }
        if (has_opposite(i)) {
          opposite_row[-i * kThreads] = conjugate(v[i + kHalf]);
        }
      }
    }
  }
}

// Turns that share a thread's roots of unity, of at most `most`, a power of two, with a block left
// for every multiprocessor.
template <int kSize>
int turns_of(const Launch& launch, int64_t lines, int64_t most) {
  int turns = 1;
  while (turns < 8 && 2 * turns <= most &&
         lines >= launch.multiprocessors() * (2 * turns * kAtOnce<kSize>)) {
    turns *= 2;
  }
  return turns;
}

template <int kSize, typename Rows>
void launch_rows(
    const Launch& launch, void (*kernel)(Rows, int), const Rows& p, int64_t lines, int64_t most) {
  const int turns = turns_of<kSize>(launch, lines, most);
  launch(
      kernel,
      blocks_for(lines, int64_t{turns} * kAtOnce<kSize>),
      dim3(kRowThreads),
      kRowBytes<kSize>,
      p,
      turns);
}

}  // namespace

void transform_rows(const Launch& launch, const RealRows& p) {
  with_fft_size(p.w, [&](auto size) {
    constexpr int kSize = decltype(size)::value;
    const auto kernel = p.is_band ? real_to_half<kSize, 2> : real_to_half<kSize, 1>;
    launch_rows<kSize>(launch, kernel, p, p.rows / 2, 8);
  });
}

void restore_rows(const Launch& launch, const RealRows& p) {
  with_fft_size(p.w, [&](auto size) {
    constexpr int kSize = decltype(size)::value;
    const auto kernel = p.is_band ? half_to_real<kSize, 2> : half_to_real<kSize, 1>;
    launch_rows<kSize>(launch, kernel, p, p.rows / 2, 8);
  });
}

void transform_rows(const Launch& launch, const BandRows& p) {
  with_fft_size(p.w, [&](auto size) {
    constexpr int kSize = decltype(size)::value;
    launch_rows<kSize>(
        launch, band_rows<kSize, false>, p, p.rows, (1 << p.h_log2) / kAtOnce<kSize>);
  });
}

void restore_rows(const Launch& launch, const BandRows& p) {
  with_fft_size(p.w, [&](auto size) {
    constexpr int kSize = decltype(size)::value;
    launch_rows<kSize>(launch, band_rows<kSize, true>, p, p.rows, (1 << p.h_log2) / kAtOnce<kSize>);
  });
}

}  // namespace phasenet::cuda
