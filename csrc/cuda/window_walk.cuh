// Windows of small planes, where square_walk.cuh takes them not. A block walks along the frames of
// whole planes: at frame t it makes the fields F(t, i) = B(a k), k counting the wraps of the last i
// frames, for the windows that begin i frames before t. The difference from frame t - 1 needs F(t -
// 1, i - 1) too, which stays in shared memory from the step before. Who owns a row spreads its
// wraps along x, so that sums keep one order; who owns a run of a column blurs along y. Means are
// taken of the planes themselves, and every value is written once.
#pragma once

#include "walk_plan.cuh"

namespace phasenet::cuda {

// Calls visit(x, whether it rises) for each wrap of a row, of which `bit` is the first in both
// masks.
template <typename Visit>
__device__ __forceinline__ void for_wraps(
    const uint32_t* up, const uint32_t* down, int bit, int width, const Visit& visit) {
  for (int left = 0; left < width; left += 32, bit += 32) {
    const auto bits_of = [&](const uint32_t* mask) {
      const uint32_t* at = mask + bit / 32;
      return static_cast<uint32_t>((uint64_t{at[0]} | uint64_t{at[1]} << 32) >> (bit % 32));
    };
    const uint32_t ups = bits_of(up);
    uint32_t rest = ups | bits_of(down);
    if (width - left < 32) {
      rest &= (1u << (width - left)) - 1;
    }
    for (; rest != 0; rest &= rest - 1) {
      const int x = __ffs(rest) - 1;
      visit(left + x, (ups >> x & 1) != 0);
    }
  }
}

// Spreads the wraps of one row, of which `bit` is the first in both masks, times amplitudes, `step`
// apart, along x.
template <typename T>
__device__ __forceinline__ void spread_wraps(
    const uint32_t* up,
    const uint32_t* down,
    int bit,
    int width,
    const T* amplitude,
    T* field,
    int step = 1) {
  for_wraps(up, down, bit, width, [&](int x, bool rises) {
    const T a = amplitude[x * step], wrap = rises ? a : -a;
    T* at = field + x;
    T values[kTaps];
#pragma unroll
    for (int k = 0; k < kTaps; ++k) {
      values[k] = at[k];
    }
#pragma unroll
    for (int k = 0; k < kTaps; ++k) {
      at[k] = values[k] + tap<T>(k - kReach) * wrap;
    }
  });
}

// Amplitudes blurred along x into the first spread plane, and their products with the phases, which
// are in the third, into the second.
template <typename T>
__device__ __forceinline__ void blur_rows(
    const WalkMemory& memory, int held, int h, int w, const T* amplitude, T* spread) {
  const int runs = (w + kRun - 1) / kRun, tasks = h * runs;
  for (int task = static_cast<int>(threadIdx.x); task < 2 * held * tasks; task += kWalkers<T>) {
    // Neighbouring threads take neighbouring rows.
    const int row = task % h, begin = task / h % runs * kRun, which = task / tasks;
    T* planes = spread + which / 2 * kTogether * memory.spread_plane;
    const int at = (row + kReach) * memory.spread_stride + begin;
    const T* from = which % 2 == 0
                        ? amplitude + (which / 2 * h + row) * memory.spread_stride + begin
                        : planes + 2 * memory.spread_plane + at;
    T in[kRun + 2 * kReach], out[kRun];
#pragma unroll
    for (int j = 0; j < kRun + 2 * kReach; ++j) {
      in[j] = begin + j < w + 2 * kReach ? from[j] : T(0);
    }
    blur_run(in, out);
    T* to = planes + which % 2 * memory.spread_plane + at + kReach;
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      if (begin + j < w) {
        to[j] = out[j];
      }
    }
  }
}

// kRun values of a column and those around them -> blurred.
template <typename T>
__device__ __forceinline__ void blur_column(const T* column, int stride, T* out) {
  T in[kRun + 2 * kReach];
#pragma unroll
  for (int j = 0; j < kRun + 2 * kReach; ++j) {
    in[j] = column[j * stride];
  }
  blur_run(in, out);
}

// Planes of kSide x kSide, a multiple of kRun, or where it is 0 of any size.
template <typename T, typename Out, int kSide>
__global__ void __launch_bounds__(kWalkers<T>, 1)
    walk_windows(Planes<T> planes, WindowShape shape, Walk walk, bool only_down, Out* out) {
  const int w = kSide > 0 ? kSide : planes.w, h = kSide > 0 ? kSide : planes.h;
  const int num_phase = shape.num_phase, shift = shape.shift;
  const int windows = static_cast<int>(shape.windows);
  const int lanes = kSide > 0 ? kSide * kSide / kRun : walk.lanes;
  const int held = kSide > 0 && 2 * lanes > kWalkers<T> ? 1 : walk.planes;
  const WalkMemory memory = walk_memory<T>(held, num_phase, h, w);
  T* before = shared_memory<T>();
  T* spread = before + memory.spread;
  T* amplitude = before + memory.amplitude;
  T* partial = before + memory.partial;
  T* means = before + memory.means;
  uint32_t* up = reinterpret_cast<uint32_t*>(before + memory.elements);
  uint32_t* down = up + memory.down;
  int* lasts = reinterpret_cast<int*>(up + memory.last);

  const int thread = static_cast<int>(threadIdx.x), warp = thread / 32, lane = thread % 32;
  const int part = thread / lanes, of_plane = thread % lanes;
  const int x = of_plane % w, y = of_plane / w * kRun;
  const int64_t unit = blockIdx.x * int64_t{held} + part;
  const bool owns = part < held && unit < walk.units;
  const int nbands = planes.nbands, band = static_cast<int>(unit % nbands);
  const int64_t video = unit / nbands / walk.runs;
  const int first = static_cast<int>(unit / nbands % walk.runs) * walk.run;
  const int length = static_cast<int>(shape.length);
  const int end = first + walk.run < length ? first + walk.run : length;
  const int area = h * w, pixel = y * w + x, frame_step = nbands * area;
  const double of_area = 1.0 / area;
  const auto inside = [&](int j) { return kSide > 0 || y + j < h; };
  // Where the planes of the unit's frame 0 begin, for this thread.
  const int64_t origin = (video * length * nbands + band) * area + pixel;
  const auto load = [&](const T* plane, int t, T* values) {
    const T* at = plane + origin + int64_t{t} * frame_step;
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      values[j] = inside(j) ? at[j * w] : T(0);
    }
  };
  // Both are multiples of 4.
  const auto clear = [&](int from, int to) {
    Four<T>* all = reinterpret_cast<Four<T>*>(before + from) + thread;
    const int rest = (to - from) / 4 - thread;
#pragma unroll 8
    for (int i = 0; i < rest; i += kWalkers<T>) {
      all[i] = Four<T>{};
    }
  };
  // In window `window`, the difference of frame t lies `window * window_step` behind this.
  const int window_step = (nbands * num_phase - 1) * area;
  const auto target_of = [&](int64_t t) {
    const int64_t plane = (video * shape.windows * nbands + band) * num_phase + t + shape.shift - 1;
    return out + plane * area + pixel;
  };
  const auto put = [&](Out* target, const T* values) {
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      if (inside(j)) {
        target[j * w] = static_cast<Out>(values[j]);
      }
    }
  };

  T phase[kRun], denoised[kRun];
  int slot = -1;  // of the masks of this step's wraps
  clear(memory.spread, memory.partial);
  __syncthreads();
  for (int step = -num_phase; step < walk.run; ++step) {
    const int t = first + step;
    const bool here = owns && t >= 0 && t < end;
    T values[kTogether][kRun], difference[kRun], inverse[kRun];
    if (here) {
      load(planes.phase, t, values[0]);
    }
    if (step > -num_phase) {
      slot = slot + 1 < num_phase ? slot + 1 : 0;
      uint32_t* ups = up + slot * kRun * memory.words + warp;
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        const T change = values[0][j] - phase[j];
        const bool wraps = here && t > 0 && inside(j);
        const uint32_t rises = __ballot_sync(0xffffffffu, wraps && !only_down && change < -T(kPi));
        const uint32_t falls = __ballot_sync(0xffffffffu, wraps && change > T(kPi));
        if (lane == 0) {
          ups[j * memory.words] = rises;
          ups[memory.down + j * memory.words] = falls;
        }
      }
    }
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      phase[j] = values[0][j];
    }
    if (step < -1) {
      continue;
    }
    // The frame before the run only leaves its fields.
    const bool writes = step >= 0;
    const int most = writes ? num_phase : num_phase - 1, last = here ? (t < most ? t : most) : 0;
    if (here) {
      load(planes.amplitude, t, values[0]);
      T* row = amplitude + (part * h + y) * memory.spread_stride + x + kReach;
      T* weighted = spread + (part * kTogether + 2) * memory.spread_plane +
                    (y + kReach) * memory.spread_stride + x + kReach;
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        if (inside(j)) {
          row[j * memory.spread_stride] = values[0][j];
          weighted[j * memory.spread_stride] = values[0][j] * phase[j];
        }
      }
      if (writes && shape.replicate && (t == 0 || t == length - 1)) {
        const T zeros[kRun] = {};
        for_repeats(shape, t, [&](int64_t window, int64_t time) {
          put(target_of(time) + window * window_step, zeros);
        });
      }
    }
    if (part < held && of_plane == 0) {
      lasts[part] = last;
    }
    __syncthreads();
    blur_rows(memory, held, h, w, amplitude, spread);
    __syncthreads();
    if (here) {
      const T* column =
          spread + part * kTogether * memory.spread_plane + y * memory.spread_stride + x + kReach;
      blur_column(column, memory.spread_stride, inverse);
      blur_column(column + memory.spread_plane, memory.spread_stride, values[0]);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        inverse[j] = 1 / inverse[j];
        const T now = rounded_product(values[0][j], inverse[j]);
        difference[j] = now - denoised[j];
        denoised[j] = now;
        inverse[j] *= T(2 * kPi);
      }
    }
    __syncthreads();
    clear(memory.spread, memory.amplitude);
    __syncthreads();
    T field[kRun] = {}, wrapped[kRun];
    T* fields = before + thread;  // of the frame before, i - 1
    Out* target = target_of(t) + int64_t{t - 1 + shift} * window_step;
    for (int begin = 1; begin <= num_phase; begin += kTogether) {
      const int rows = kTogether * h;
      for (int task = thread; task < held * rows; task += kWalkers<T>) {
        const int of = task / rows, in_plane = task % rows, i = begin + in_plane / h;
        const int row = in_plane % h, from = slot - i + 1;
        if (i <= lasts[of]) {
          const uint32_t* ups =
              up + ((from < 0 ? from + num_phase : from) * kRun + row % kRun) * memory.words;
          spread_wraps(
              ups,
              ups + memory.down,
              of * lanes + row / kRun * w,
              w,
              amplitude + (of * h + row) * memory.spread_stride + kReach,
              spread + (of * kTogether + i - begin) * memory.spread_plane +
                  (row + kReach) * memory.spread_stride);
        }
      }
      __syncthreads();
#pragma unroll
      for (int u = 0; u < kTogether; ++u) {
        const int i = begin + u;
        if (i > last) {
          break;
        }
        const T* column = spread + (part * kTogether + u) * memory.spread_plane +
                          y * memory.spread_stride + x + kReach;
        T in[kRun + 2 * kReach];
#pragma unroll
        for (int j = 0; j < kRun + 2 * kReach; ++j) {
          in[j] = column[j * memory.spread_stride];
        }
        T sum = 0;
#pragma unroll
        for (int j = 0; j < kRun; ++j) {
          T blurred = field[j] + in[j + kReach];
#pragma unroll
          for (int k = 1; k <= kReach; ++k) {
            blurred += tap<T>(k) * (in[j + kReach - k] + in[j + kReach + k]);
          }
          field[j] = blurred;
          const T now = rounded_product(blurred, inverse[j]);
          T value = difference[j] + now;
          if (i > 1) {
            value = difference[j] + (now - fields[j * kWalkers<T>]);
            fields[j * kWalkers<T>] = wrapped[j];
          }
          wrapped[j] = now;
          values[u][j] = value;
          sum += inside(j) ? value : T(0);
        }
        partial[u * kWalkers<T> + thread] = sum;
        fields += i > 1 ? kRun * kWalkers<T> : 0;
      }
      __syncthreads();
      if (writes) {
        for (int task = warp; task < held * kTogether; task += kWalkers<T> / 32) {
          const T* sums = partial + task % kTogether * kWalkers<T> + task / kTogether * lanes;
          double total = 0;
          for (int i = lane; i < lanes; i += 32) {
            total += double(sums[i]);
          }
#pragma unroll
          for (int apart = 16; apart > 0; apart /= 2) {
            total += __shfl_down_sync(0xffffffffu, total, apart);
          }
          if (lane == 0) {
            means[task] = static_cast<T>(total * of_area);
          }
        }
      }
      clear(memory.spread, memory.amplitude);
      __syncthreads();
#pragma unroll
      for (int u = 0; u < kTogether; ++u) {
        const int i = begin + u;
        if (!writes || i > last) {
          break;
        }
        const T mean = means[part * kTogether + u];
#pragma unroll
        for (int j = 0; j < kRun; ++j) {
          values[u][j] = clamped(values[u][j] - mean);
        }
        const int own = t - i + shift;  // the window that begins i frames before t
        if (own < windows) {
          put(target, values[u]);
        }
        if (t == i) {  // and those that begin before the video
          for (int window = own - 1; window >= 0 && window >= t + shift - num_phase; --window) {
            if (window < windows) {
              put(target - int64_t{own - window} * window_step, values[u]);
            }
          }
        }
        target -= window_step;
      }
    }
    if (last > 0 && last < num_phase) {
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        before[((last - 1) * kRun + j) * kWalkers<T> + thread] = wrapped[j];
      }
    }
  }
}

}  // namespace phasenet::cuda
