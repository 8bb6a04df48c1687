// Fourier transforms of 2 to 1024 values, powers of two, in single precision: up to eight values a
// thread in registers, passes of radix 8 and a last one of 4 or 2, in Stockham's order, so that
// thread t of T has values t, t + T, t + 2 T ... before and after. Between passes values go through
// shared memory. Forward; the inverse is that of values with real and imaginary parts swapped.
#pragma once

#include "filters.cuh"

namespace phasenet::cuda {

constexpr int kLeastFft = 2, kMostFft = 1024;

using Value = Complex<float>;

__device__ __forceinline__ Value operator-(Value a, Value b) {
  return {a.re - b.re, a.im - b.im};
}

__device__ __forceinline__ Value swapped(Value z) {
  return {z.im, z.re};
}

// z times -i.
__device__ __forceinline__ Value turned(Value z) {
  return {z.im, -z.re};
}

// exp(-2 pi i part), 0 <= part <= 1/8, within 1e-7: Taylor's polynomials of degrees 9 and 8.
__device__ __forceinline__ Value unit_root(float part) {
  const float x = static_cast<float>(2 * kPi) * part, s = x * x;
  float sine = 1.0f / 362880, cosine = 1.0f / 40320;
  sine = sine * s - 1.0f / 5040;
  sine = sine * s + 1.0f / 120;
  sine = sine * s - 1.0f / 6;
  cosine = cosine * s - 1.0f / 720;
  cosine = cosine * s + 1.0f / 24;
  cosine = cosine * s - 0.5f;
  return {1.0f + cosine * s, -(x + x * (sine * s))};
}

// As of pairs of values.
__device__ __forceinline__ Value load_once(const Value* from) {
  const Two<float> value = load_once(reinterpret_cast<const Two<float>*>(from));
  return {value.at[0], value.at[1]};
}

__device__ __forceinline__ void store_once(Value* to, Value value) {
  store_once(reinterpret_cast<Two<float>*>(to), {{value.re, value.im}});
}

__device__ __forceinline__ void transform2(Value& a, Value& b) {
  const Value difference = a - b;
  a = a + b;
  b = difference;
}

__device__ __forceinline__ void transform4(Value& a, Value& b, Value& c, Value& d) {
  transform2(a, c);
  transform2(b, d);
  const Value second = b, turn = turned(d);
  b = c + turn;
  d = c - turn;
  c = a - second;
  a = a + second;
}

__device__ __forceinline__ void transform8(Value (&v)[8]) {
  transform2(v[0], v[4]);
  transform2(v[1], v[5]);
  transform2(v[2], v[6]);
  transform2(v[3], v[7]);
  transform4(v[0], v[1], v[2], v[3]);
  // Of the odd ones' roots of unity the common factor is taken into the last sums.
  constexpr float kHalfRoot = 0.70710678118654752f;
  const Value five{v[5].re + v[5].im, v[5].im - v[5].re};
  const Value seven{v[7].im - v[7].re, -(v[7].re + v[7].im)};
  const Value turn = turned(v[6]), even = v[4] + turn, odd = v[4] - turn;
  const Value sum = five + seven, difference = turned(five - seven);
  const Value first = v[0], second = v[1], third = v[2], fourth = v[3];
  v[0] = first;
  v[1] = {even.re + kHalfRoot * sum.re, even.im + kHalfRoot * sum.im};
  v[2] = second;
  v[3] = {odd.re + kHalfRoot * difference.re, odd.im + kHalfRoot * difference.im};
  v[4] = third;
  v[5] = {even.re - kHalfRoot * sum.re, even.im - kHalfRoot * sum.im};
  v[6] = fourth;
  v[7] = {odd.re - kHalfRoot * difference.re, odd.im - kHalfRoot * difference.im};
}

// a + root b and a - root b, in six operations, each a multiplication and an addition.
__device__ __forceinline__ void combine(Value& a, Value& b, Value root) {
  const Value sum{a.re + root.re * b.re - root.im * b.im, a.im + root.re * b.im + root.im * b.re};
  b = {fmaf(2.0f, a.re, -sum.re), fmaf(2.0f, a.im, -sum.im)};
  a = sum;
}

// What passes take of a root of unity u. A quarter of a turn more costs nothing.
struct Roots {
  Value first, eighth, second, fourth;  // u, an eighth of a turn from it, u^2, u^4

  __device__ __forceinline__ void set(Value root) {
    constexpr float kHalfRoot = 0.70710678118654752f;
    first = root;
    eighth = Value{root.re + root.im, root.im - root.re} * kHalfRoot;
    second = root * root;
    fourth = second * second;
  }
};

// Transforms of values i times u^i.
__device__ __forceinline__ void transform4(
    Value& a, Value& b, Value& c, Value& d, Value first, Value second) {
  combine(a, c, second);
  combine(b, d, second);
  combine(a, b, first);
  combine(c, d, turned(first));
  const Value last = b;
  b = c;
  c = last;
}

__device__ __forceinline__ void transform8(Value (&v)[8], const Roots& roots) {
  combine(v[0], v[4], roots.fourth);
  combine(v[1], v[5], roots.fourth);
  combine(v[2], v[6], roots.fourth);
  combine(v[3], v[7], roots.fourth);
  combine(v[0], v[2], roots.second);
  combine(v[1], v[3], roots.second);
  combine(v[4], v[6], turned(roots.second));
  combine(v[5], v[7], turned(roots.second));
  combine(v[0], v[1], roots.first);
  combine(v[2], v[3], turned(roots.first));
  combine(v[4], v[5], roots.eighth);
  combine(v[6], v[7], turned(roots.eighth));
  const Value one = v[4], three = v[6], four = v[1], six = v[3];
  v[1] = one;
  v[3] = three;
  v[4] = four;
  v[6] = six;
}

constexpr int log2_of_size(int size) {
  return size == 1 ? 0 : 1 + log2_of_size(size / 2);
}

template <int kSize>
struct FftShape {
  static constexpr int kEach = kSize < 8 ? kSize : 8;  // values of a thread
  static constexpr int kThreads = kSize / kEach;       // of a transform
  static constexpr int kFull = log2_of_size(kSize) / 3;
  static constexpr int kLast = 1 << log2_of_size(kSize) % 3;
};

// What transforms of a block exchange. `kColumns` transforms lie side by side, value by value, or
// with 1 one after another. Two buffers take turns, so that one barrier orders each exchange. Gaps
// keep the lanes of half a warp, which are served together, in different banks.
template <int kSize, int kColumns>
class Exchange {
 public:
  static constexpr int kElements = kSize + kSize / 8;  // of a transform, in one buffer

  static constexpr int64_t bytes(int transforms) {
    return kSize <= 8 && kColumns > 1
               ? 0
               : int64_t{2} * transforms * kElements * static_cast<int64_t>(sizeof(Value));
  }

  // `transforms` of the block, this thread's among them and its number there.
  __device__ Exchange(int transforms, int transform, int thread) : thread_(thread) {
    now_ = shared_memory<Value>() + (kColumns == 1 ? transform * kElements : transform);
    next_ = now_ + transforms * kElements;
  }

  // From the order after a pass of radix 8, before which transforms of `kDone` values were done.
  template <int kDone>
  __device__ __forceinline__ void after_pass(Value (&v)[8]) {
    const int from = thread_ / kDone * (8 * kDone) + thread_ % kDone;
    Value* to = now_ + padded<kDone>(from) * kColumns;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      to[padded<kDone>(i * kDone) * kColumns] = v[i];
    }
    wait();
    const Value* own = now_ + padded<kDone>(thread_) * kColumns;
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      v[i] = own[padded<kDone>(i * (kSize / 8)) * kColumns];
    }
    take_turns();
  }

  // opposite[i] = the transform's value at -(frequency of v[i]), of the first half of v.
  template <int kEach>
  __device__ __forceinline__ void mirror(const Value (&v)[kEach], Value (&opposite)[kEach / 2]) {
    constexpr int kThreads = kSize / kEach, kHalf = kEach / 2;
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      now_[i * kThreads + thread_] = v[kHalf + i];
    }
    wait();
#pragma unroll
    for (int i = 0; i < kHalf; ++i) {
      const int at = kSize / 2 - i * kThreads - thread_;
      opposite[i] = i == 0 && thread_ == 0 ? v[0] : now_[at];
    }
    take_turns();
  }

 private:
  // Of numbers without common bits the sum is that of their places.
  template <int kDone>
  static constexpr __host__ __device__ int padded(int at) {
    if (kColumns > 1) {
      return kDone == 1 ? at + at / 8 : at;
    }
    return kDone == 1 ? at + at / 16 : (kDone == 8 ? at + at / 64 * 8 : at);
  }

  static __device__ __forceinline__ void wait() {
    if constexpr (kColumns == 1 && FftShape<kSize>::kThreads <= 32) {
      __syncwarp();
    } else {
      __syncthreads();
    }
  }

  __device__ __forceinline__ void take_turns() {
    Value* const used = now_;
    now_ = next_;
    next_ = used;
  }

  Value *now_, *next_;
  int thread_;
};

// A thread's part in transforms, with its roots of unity.
template <int kSize>
class Fft {
  using Shape = FftShape<kSize>;

 public:
  __device__ explicit Fft(int thread) {
    if constexpr (Shape::kFull > 1) {
      second_.set(unit_root(static_cast<float>(thread % 8) / 64));
    }
    if constexpr (Shape::kFull > 2) {
      third_.set(unit_root(static_cast<float>(thread % 64) / 512));
    }
    if constexpr (Shape::kFull > 0 && Shape::kLast > 1) {
      last_.set(unit_root(static_cast<float>(thread) / kSize));
    }
  }

  template <typename Exchange>
  __device__ __forceinline__ void operator()(Value (&v)[Shape::kEach], Exchange& exchange) const {
    if constexpr (Shape::kFull > 0) {
      transform8(v);
    }
    if constexpr (Shape::kThreads > 1) {
      exchange.template after_pass<1>(v);
    }
    if constexpr (Shape::kFull > 1) {
      transform8(v, second_);
      if constexpr (kSize > 64) {
        exchange.template after_pass<8>(v);
      }
    }
    if constexpr (Shape::kFull > 2) {
      transform8(v, third_);
      if constexpr (kSize > 512) {
        exchange.template after_pass<64>(v);
      }
    }
    last_pass(v);
  }

 private:
  __device__ __forceinline__ void last_pass(Value (&v)[Shape::kEach]) const {
    if constexpr (kSize == 4) {
      transform4(v[0], v[1], v[2], v[3]);
    } else if constexpr (kSize == 2) {
      transform2(v[0], v[1]);
    } else if constexpr (Shape::kLast == 4) {
      // The second set's root is an eighth of a turn from the first's.
      transform4(v[0], v[2], v[4], v[6], last_.first, last_.second);
      transform4(v[1], v[3], v[5], v[7], last_.eighth, turned(last_.second));
    } else if constexpr (Shape::kLast == 2) {
      combine(v[0], v[4], last_.first);
      combine(v[1], v[5], last_.eighth);
      combine(v[2], v[6], turned(last_.first));
      combine(v[3], v[7], turned(last_.eighth));
    }
  }

  Roots second_, third_, last_;
};

// Calls run(size) with the size of a transform as a type that tells it when compiling.
template <typename Run>
void with_fft_size(int64_t size, const Run& run) {
  switch (size) {
    case 2:
      return run(std::integral_constant<int, 2>());
    case 4:
      return run(std::integral_constant<int, 4>());
    case 8:
      return run(std::integral_constant<int, 8>());
    case 16:
      return run(std::integral_constant<int, 16>());
    case 32:
      return run(std::integral_constant<int, 32>());
    case 64:
      return run(std::integral_constant<int, 64>());
    case 128:
      return run(std::integral_constant<int, 128>());
    case 256:
      return run(std::integral_constant<int, 256>());
    case 512:
      return run(std::integral_constant<int, 512>());
    case 1024:
      return run(std::integral_constant<int, 1024>());
    default:
      STD_TORCH_CHECK(false, "phasenet: no transform of length ", size);
  }
}

}  // namespace phasenet::cuda
