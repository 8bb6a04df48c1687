// What comes back through the windows of small planes to their coefficients. In the windows that
// begin i frames before frame t, let
//   g(t, i)  be what comes back through the clamp of its difference, less its mean,
//   F(t, i)  = 2 pi B(a k) / B(a), k counting the wraps w of the last i frames,
//   q(t, i)  = (g(t, i) - g(t + 1, i + 1)) / B(a), its denoised phase d + F being in two
//            differences,
//   R(t, i)  = q(t, 0) + ... + q(t, i), and Q all of them.
// Then dp = a B(Q) and da = p B(Q) + 2 pi sum_i k B(q) - B(sum_i q (d + F)). Blurs being linear,
// the sum with k is that over i of w(t - i) (B(Q) - B(R(t, i))), so that blurs are read at wraps.
//
// A block walks along the frames as window_walk.cuh does. At frame t it makes F(t, i), g(t, i) and,
// reading the windows' gradient again out of L2, q(t - 1, i - 1); then it ends frame t - 1.
#pragma once

#include "gradient_wraps.cuh"
#include "polar.cuh"

namespace phasenet::cuda {

template <int kSide, bool kInBlocks = false>
class GradientWalk : private GradientWraps<kSide, kInBlocks> {
  using Base = GradientWraps<kSide, kInBlocks>;

 public:
  __device__ __forceinline__ GradientWalk(const GradientLevel& level, bool only_down, int64_t block)
      : Base(level, only_down, block) {
  }

  __device__ __forceinline__ void run() {
    for (int step = -num_phase(); step <= level_.walk.run; ++step) {
      const int t = (owns_ ? self().first : 0) + step;
      const bool goes_on = owns_ && t <= self().end;
      if (!__syncthreads_or(goes_on)) {
        break;
      }
      const bool here = goes_on && t >= 0 && t < length();
      if (step > -num_phase()) {
        find_wraps(t, here);
      }
      if (step < -1) {
        continue;
      }
      // The frame before the run only leaves its fields; the first to end is the run's first.
      const bool counts = here && step >= 0, ends = goes_on && step > 0;
      const int most = step >= 0 ? num_phase() : num_phase() - 1;
      const int last = here ? (t < most ? t : most) : 0;
      denoise(t, here, last, ends);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        field_[j] = with_field_[j] = sum_[j] = 0;
      }
      take_rows(1, 0);
      for (int i = 1; i <= num_phase(); ++i) {
        follow(t, i, last, counts, ends);
      }
      if (last > 0 && last < num_phase()) {
        keep(last);
      }
      finish(t - 1, ends);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        inverse_before_[j] = inverse_[j];
      }
    }
  }

 private:
  using Base::area;
  using Base::average;
  using Base::blur_both;
  using Base::blur_down;
  using Base::bytes;
  using Base::clear;
  using Base::count;
  using Base::elements;
  using Base::field;
  using Base::find_wraps;
  using Base::first_row;
  using Base::held;
  using Base::inside;
  using Base::length;
  using Base::level_;
  using Base::load;
  using Base::load_grads;
  using Base::memory_;
  using Base::num_phase;
  using Base::own;
  using Base::owns_;
  using Base::part_;
  using Base::pixel;
  using Base::plane_at;
  using Base::put;
  using Base::row_step;
  using Base::self;
  using Base::slot;
  using Base::take_rows;
  using Base::thread;
  using Base::wrapped;

  // What was not clamped in the windows that begin i frames before now, and the mean of what
  // passes; until then, what these were at the frame before.
  __device__ __forceinline__ uint8_t& passes(int i) const {
    return bytes()[slot(i) * Base::kThreads + thread()];
  }
  __device__ __forceinline__ float* grad_means(int i) const {
    return elements() + memory_.grad_means + slot(i) * held();
  }

  __device__ __forceinline__ void denoise(int t, bool here, int last, bool ends) {
    if (here) {
      float amplitude[kRun], phase[kRun];
      load(level_.amplitude, t, amplitude);
      load(level_.phase, t, phase);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        phase[j] *= amplitude[j];
      }
      put(0, amplitude);
      put(1, phase);
    }
    if (part_ < held() && pixel() == 0) {
      self().last = last;
      self().here = plane_at(t);
      self().ends = ends;
    }
    blur_both(inverse_, difference_);
    if (here) {
      const int first = self().first;
      const bool in_run = t < self().end;
      const bool has_before = t > 0 && t >= first;
      const Complex<float>* before = parked(t > first ? t - 1 : first);
      Complex<float>* now = parked(t > first ? t : first);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        if (inside(j)) {
          inverse_[j] = reciprocal(inverse_[j]);
          const float denoised = difference_[j] * inverse_[j];
          difference_[j] = has_before ? denoised - before[j * row_step()].im : 0.0f;
          if (in_run) {
            now[j * row_step()].im = denoised;
          }
          inverse_[j] *= float(2 * kPi);
        }
      }
    }
  }

  // g(t, i)
  __device__ __forceinline__ void grads_of(int t, int i, int passes, float mean, float* to) const {
    load_grads(t, i, to);
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      to[j] = ((passes >> j & 1) != 0 ? to[j] : 0.0f) - mean;
    }
  }

  // Where a frame of the run, until it ends, has d and what is known of the sum of q F: registers
  // are scarce. The run's first frame has d of the frame before it first.
  __device__ __forceinline__ Complex<float>* parked(int t) const {
    return level_.out + plane_at(t) + first_row();
  }

  // Leaves F(t, i) to the next frame.
  __device__ __forceinline__ void keep(int i) const {
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      field(i, j) = last_field_[j];
    }
  }

  // Frame t in the windows that begin i frames before it, and what these give to frame t - 1 if it
  // `ends`.
  __device__ __forceinline__ void follow(int t, int i, int last, bool counts, bool ends) {
    __syncthreads();
    float now[kRun], values[kRun], sum = 0;
    if (i <= last) {
      float blurred[kRun];
      blur_down(0, blurred);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        field_[j] += blurred[j];
        now[j] = rounded_product(field_[j], inverse_[j]);
        const float before = i > 1 ? field(i - 1, j) : 0.0f;
        values[j] = difference_[j] + (now[j] - before);
        sum += inside(j) ? values[j] : 0.0f;
      }
    }
    float* means = elements() + memory_.means;
    average(sum, means);
    clear(1);
    sum = 0;
    const bool both = ends && i > 1 && i <= t;
    const int passed = both ? passes(i) : 0;
    const float mean_before = both ? grad_means(i)[part_] : 0.0f;
    if (counts && i <= last) {
      float grads[kRun];
      load_grads(t, i, grads);
      const float mean = means[part_];
      int bits = 0;
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        const float value = values[j] - mean;
        const bool pass = value >= -kLimit<float> && value <= kLimit<float>;
        bits |= pass ? 1 << j : 0;
        values[j] = pass ? grads[j] : 0.0f;
        sum += values[j];
      }
      passes(i) = static_cast<uint8_t>(bits);
    }
    average(sum, grad_means(i));
    float grads[kRun] = {};
    if (both) {
      grads_of(t - 1, i - 1, passed, mean_before, grads);
    }
    if (counts && i <= last) {
      const float mean = grad_means(i)[part_];
      const bool parks = i == num_phase() && t < self().end;
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        const float grad = values[j] - mean;
        grads[j] -= grad;
        if (parks && inside(j)) {
          parked(t)[j * row_step()].re = grad * now[j];
        }
      }
    }
    if (both) {
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        with_field_[j] += grads[j] * field(i - 1, j);
      }
    }
    if (i <= last) {
      if (i > 1) {
        keep(i - 1);
      }
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        last_field_[j] = now[j];
      }
    }
    if (ends) {
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        sum_[j] += grads[j] * inverse_before_[j];
      }
      put(1, sum_);
    }
    __syncthreads();
    if (ends) {
      float blurred[kRun];
      blur_down(1, blurred);
      put(2, blurred);
    }
    __syncthreads();
    take_rows(i + 1, i);
  }

  // The gradient of frame t's coefficients. Since inverses are, R is 2 pi times too large.
  __device__ __forceinline__ void finish(int t, bool ends) {
    float with_phase[kRun];
    if (ends) {
      if (num_phase() <= t) {
        float grads[kRun];
        // In the place of the windows that begin now.
        grads_of(t, num_phase(), passes(0), grad_means(0)[part_], grads);
#pragma unroll
        for (int j = 0; j < kRun; ++j) {
          sum_[j] += grads[j] * inverse_before_[j];
          with_field_[j] += inside(j) ? parked(t)[j * row_step()].re : 0.0f;
        }
      }
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        const float denoised = inside(j) ? parked(t)[j * row_step()].im : 0.0f;
        with_phase[j] = sum_[j] * denoised + with_field_[j] * inverse_before_[j];
      }
      put(0, sum_);
      put(1, with_phase);
    }
    blur_both(sum_, with_phase);
    if (!ends) {
      return;
    }
    float phase[kRun], amplitude[kRun];
    load(level_.phase, t, phase);
    load(level_.amplitude, t, amplitude);
    Complex<float>* out = parked(t);
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      const float magnitude = amplitude[j] - float(1e-10);
      float at_wraps = 0;
      if (inside(j)) {
        at_wraps = wrapped(j);
        wrapped(j) = 0;
      }
      const float with_wraps = float(2 * kPi) * (count(j) * sum_[j] - at_wraps);
      const float da = (phase[j] * sum_[j] + with_wraps - with_phase[j]) * float(0.5 / kPi);
      const float dp = amplitude[j] * sum_[j] * reciprocal(magnitude) * float(0.5 / kPi);
      float sine, cosine;
      sine_and_cosine(phase[j], &sine, &cosine);
      if (inside(j)) {
        // At zero neither phase nor amplitude has a derivative.
        out[j * row_step()] = magnitude > 0
                                  ? Complex<float>{da * cosine - dp * sine, da * sine + dp * cosine}
                                  : Complex<float>{0.0f, 0.0f};
      }
    }
  }

  // Of this frame: 2 pi / B(a), d(t) - d(t - 1), B(a k), the last F
  float inverse_[kRun], difference_[kRun], field_[kRun], last_field_[kRun];
  float inverse_before_[kRun] = {};
  float with_field_[kRun];  // the sum of (g(t - 1, i) - g(t, i + 1)) F(t - 1, i)
  float sum_[kRun];         // R, then Q
};

// One level.
__global__ void __launch_bounds__(kGradientThreads, 1)
    walk_gradients(GradientLevel level, bool only_down) {
  GradientWalk<0>(level, only_down, blockIdx.x).run();
}

// Levels of 48 x 48 and of 24 x 24.
template <bool kInBlocks>
__global__ void __launch_bounds__(kSquareGradientThreads, 1)
    walk_square_gradients(GradientLevel whole, GradientLevel half, bool only_down) {
  const int64_t block = blockIdx.x, blocks = whole.walk.blocks();
  if (block < blocks) {
    GradientWalk<48, kInBlocks>(whole, only_down, block).run();
  } else {
    GradientWalk<24, kInBlocks>(half, only_down, block - blocks).run();
  }
}

}  // namespace phasenet::cuda
