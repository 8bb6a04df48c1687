// What a block of gradient_walk.cuh is given, where it keeps what, and what its threads do
// together.
#pragma once

#include "filters.cuh"
#include "window_walk.cuh"

namespace phasenet::cuda {

// A run needs the frame before it and the one behind it too.
constexpr int kFramesAround = 2;
// Of a plane of 48 x 48, or four of 24 x 24, whose sizes are known when compiling; of others so
// many that registers suffice.
constexpr int kSquareGradientThreads = 288, kGradientThreads = 256;
__host__ __device__ constexpr int gradient_threads(int height, int width) {
  return height == width && (height == 48 || height == 24) ? kSquareGradientThreads
                                                           : kGradientThreads;
}

struct GradientLevel {
  const float* phase;
  const float* amplitude;
  const float* grads;   // of the windows
  Complex<float>* out;  // of the coefficients, [frames, nbands, h, w]
  WindowShape shape;
  Walk walk;
  int h, w, nbands;
};

// A plane of a block, in shared memory: read where it is used, since registers are scarce.
struct GradientPlane {
  int64_t origin;  // of the plane of the video's first frame
  int64_t grads;   // where window 0 begins, as if it began at frame 0
  int64_t here;    // of this frame's plane
  int first, end;  // frames of the run
  int last;        // the windows' greatest age at this frame
  bool ends;       // whether the frame before it is of the run
};

// Where things lie in shared memory: in floats, then whole numbers, then bytes.
struct GradientMemory {
  int spread;                       // [planes, rows, columns], zeros around: wraps spread along x
  int spread_stride, spread_plane;  // then twice as much: R, and it blurred along y
  int all_spread;
  int wrapped;                 // [planes, h, w]: the sum of w B(R)
  int partial;                 // [threads]: what these give to a mean
  int means, grad_means;       // [planes]; [P + 1, planes]: of g, by the windows' first frames
  int elements;                // then a GradientPlane for each of the planes
  int words, down, all_words;  // [P + 1, kRun, words] of up, of down
  int bytes;  // [P + 1, threads] by first frames: bit j of a byte: row j was not clamped
};

__host__ __device__ inline GradientMemory gradient_memory(
    int threads, int planes, int num_phase, int height, int width) {
  GradientMemory m{};
  m.spread = (num_phase - 1) * kRun * threads;  // before it F(t - 1, i), i = 1 ... P - 1
  m.spread_stride = (width + 2 * kReach) | 1;
  m.spread_plane = ((height + kRun - 1) / kRun * kRun + 2 * kReach) * m.spread_stride;
  m.all_spread = padded4(planes * m.spread_plane);
  m.wrapped = m.spread + 3 * m.all_spread;
  m.partial = m.wrapped + planes * height * width;
  m.means = m.partial + threads;
  m.grad_means = m.means + planes;
  m.elements = padded4(m.grad_means + (num_phase + 1) * planes);
  m.words = threads / 32 + 1;  // and one that may be read beyond the last
  m.down = (num_phase + 1) * kRun * m.words;
  m.all_words = 2 * m.down;
  m.bytes = (num_phase + 1) * threads;
  return m;
}

inline int64_t gradient_bytes(const Walk& walk, int num_phase, int height, int width) {
  const GradientMemory m =
      gradient_memory(gradient_threads(height, width), walk.planes, num_phase, height, width);
  return m.elements * int64_t{sizeof(float)} + walk.planes * int64_t{sizeof(GradientPlane)} +
         m.all_words * int64_t{4} + m.bytes;
}

// Planes of kSide x kSide, a multiple of kRun, or where it is 0 of any size. A thread owns kRun
// rows of a column of one plane. All planes but the windows' lie in blocks if kInBlocks, see
// Planes.
template <int kSide, bool kInBlocks>
class GradientBlock {
 public:
  __device__ __forceinline__ GradientBlock(const GradientLevel& level, int64_t block)
      : level_(level),
        memory_(gradient_memory(kThreads, held(), num_phase(), h(), w())),
        part_(thread() / lanes()),
        x_(thread() % lanes() % w()),
        y_(thread() % lanes() / w() * kRun) {
    const int64_t unit = block * held() + part_, run = unit / level.nbands;
    const int64_t video = run / level.walk.runs;
    const int band = static_cast<int>(unit % level.nbands);
    owns_ = part_ < held() && unit < level.walk.units;
    if (part_ < held() && pixel() == 0) {
      const int first = static_cast<int>(run % level.walk.runs) * level.walk.run;
      const int end = first + level.walk.run < length() ? first + level.walk.run : length();
      self() = {
          (video * length() * level.nbands + band) * area(),
          level.shape.output_plane(video, 0, level.nbands, band, 0) * area(),
          0,
          first,
          end,
          0,
          false};
    }
    if (part_ < held()) {
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        if (inside(j)) {
          wrapped(j) = 0;
        }
      }
    }
    clear(3);
    __syncthreads();
  }

 protected:
  static constexpr int kThreads = gradient_threads(kSide, kSide);

  // Read where they are used: registers are scarce.
  __device__ __forceinline__ int w() const {
    return kSide > 0 ? kSide : level_.w;
  }
  __device__ __forceinline__ int h() const {
    return kSide > 0 ? kSide : level_.h;
  }
  __device__ __forceinline__ int area() const {
    return h() * w();
  }
  __device__ __forceinline__ int lanes() const {
    return kSide > 0 ? kSide * kSide / kRun : level_.walk.lanes;
  }
  __device__ __forceinline__ int held() const {
    return kSide > 0 && 2 * lanes() > kThreads ? 1 : level_.walk.planes;
  }
  __device__ __forceinline__ int num_phase() const {
    return level_.shape.num_phase;
  }
  __device__ __forceinline__ int length() const {
    return static_cast<int>(level_.shape.length);
  }
  __device__ __forceinline__ static int thread() {
    return static_cast<int>(threadIdx.x);
  }
  __device__ __forceinline__ bool inside(int j) const {
    return kSide > 0 || y_ + j < h();
  }
  __device__ __forceinline__ int64_t plane_at(int t) const {
    return self().origin + int64_t{t} * (level_.nbands * area());
  }
  __device__ __forceinline__ int pixel() const {
    return y_ * w() + x_;
  }
  // Where a thread's rows begin in a plane, and how far they are apart.
  __device__ __forceinline__ int first_row() const {
    return kInBlocks ? y_ * w() + x_ * kRun : pixel();
  }
  __device__ __forceinline__ int row_step() const {
    return kInBlocks ? 1 : w();
  }

  __device__ __forceinline__ float* elements() const {
    return shared_memory<float>();
  }
  __device__ __forceinline__ GradientPlane* parts() const {
    return reinterpret_cast<GradientPlane*>(elements() + memory_.elements);
  }
  __device__ __forceinline__ GradientPlane& self() const {
    return parts()[part_];
  }
  __device__ __forceinline__ uint32_t* words() const {
    return reinterpret_cast<uint32_t*>(parts() + held());
  }
  __device__ __forceinline__ uint8_t* bytes() const {
    return reinterpret_cast<uint8_t*>(words() + memory_.all_words);
  }
  __device__ __forceinline__ float* plane(int part, int u) const {
    return elements() + memory_.spread + u * memory_.all_spread + part * memory_.spread_plane;
  }
  __device__ __forceinline__ float* own(int u) const {
    return plane(part_, u) + (y_ + kReach) * memory_.spread_stride + x_ + kReach;
  }
  // F(i) of the frame before.
  __device__ __forceinline__ float& field(int i, int j) const {
    return elements()[((i - 1) * kRun + j) * kThreads + thread()];
  }

  __device__ __forceinline__ void load(const float* from, int t, float* to) const {
    const float* at = from + plane_at(t) + first_row();
    if constexpr (kInBlocks) {
#pragma unroll
      for (int j = 0; j < kRun; j += 4) {
        const Four<float> values = *reinterpret_cast<const Four<float>*>(at + j);
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          to[j + i] = values.at[i];
        }
      }
      return;
    }
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      to[j] = inside(j) ? at[j * w()] : 0.0f;
    }
  }

  // The gradient of the difference of frame t in the windows that begin i frames before it, summed.
  __device__ __forceinline__ void load_grads(int t, int i, float* to) const {
    const int64_t window_step = int64_t{level_.nbands * num_phase() - 1} * area();
    const int windows = static_cast<int>(level_.shape.windows);
    const int nearest = t - i + level_.shape.shift;
    const float* at =
        level_.grads + self().grads + int64_t{t} * area() + pixel() + nearest * window_step;
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      to[j] = nearest < windows && inside(j) ? at[j * w()] : 0.0f;
    }
    if (t == i) {  // and those that begin before the video
      for (int window = nearest - 1; window >= 0 && window >= nearest + i - num_phase(); --window) {
        at -= window_step;
        if (window < windows) {
#pragma unroll
          for (int j = 0; j < kRun; ++j) {
            to[j] += inside(j) ? at[j * w()] : 0.0f;
          }
        }
      }
    }
  }

  // Own pixel's row j of what is summed up at wraps.
  __device__ __forceinline__ float& wrapped(int j) const {
    return elements()[memory_.wrapped + part_ * area() + pixel() + j * w()];
  }

  // Own values into plane u.
  __device__ __forceinline__ void put(int u, const float* from) const {
    float* to = own(u);
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      if (inside(j)) {
        to[j * memory_.spread_stride] = from[j];
      }
    }
  }

  // Zeros in the first `count` planes of all parts.
  __device__ __forceinline__ void clear(int count) const {
    auto* all = reinterpret_cast<Four<float>*>(elements() + memory_.spread) + thread();
    const int rest = count * memory_.all_spread / 4 - thread();
#pragma unroll 8
    for (int i = 0; i < rest; i += kThreads) {
      all[i] = Four<float>{};
    }
  }

  // Own values of plane u blurred along y.
  __device__ __forceinline__ void blur_down(int u, float* out) const {
    blur_column(own(u) - kReach * memory_.spread_stride, memory_.spread_stride, out);
  }

  // Planes `from`, blurred along x, to planes `to`.
  __device__ __forceinline__ void blur_across(int from, int to) const {
    const int runs = (w() + kRun - 1) / kRun, tasks = h() * runs;
    for (int task = thread(); task < held() * tasks; task += kThreads) {
      // Neighbouring threads take neighbouring rows.
      const int row = task % h(), begin = task / h() % runs * kRun, part = task / tasks;
      const int at = (row + kReach) * memory_.spread_stride + begin;
      const float* source = plane(part, from) + at;
      float* target = plane(part, to) + at + kReach;
      float in[kRun + 2 * kReach], out[kRun];
#pragma unroll
      for (int j = 0; j < kRun + 2 * kReach; ++j) {
        in[j] = kSide > 0 || begin + j < w() + 2 * kReach ? source[j] : 0.0f;
      }
      blur_run(in, out);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        if (kSide > 0 || begin + j < w()) {
          target[j] = out[j];
        }
      }
    }
  }

  // What has been put into the first two planes, blurred. The first is zero but for that, and then
  // all of it.
  __device__ __forceinline__ void blur_both(float* one, float* two) const {
    __syncthreads();
    blur_across(0, 2);
    __syncthreads();
    if (owns_) {
      blur_down(2, one);
    }
    blur_across(1, 0);
    __syncthreads();
    if (owns_) {
      blur_down(0, two);
    }
    __syncthreads();
    clear(1);
    __syncthreads();
  }

  // Means over planes of what threads have summed, one for each part. Barriers before and after.
  __device__ __forceinline__ void average(float sum, float* to) const {
    float* partial = elements() + memory_.partial;
    partial[thread()] = sum;
    __syncthreads();
    for (int part = thread() / 32; part < held(); part += kThreads / 32) {
      double total = 0;
      for (int i = thread() % 32; i < lanes(); i += 32) {
        total += double(partial[part * lanes() + i]);
      }
#pragma unroll
      for (int apart = 16; apart > 0; apart /= 2) {
        total += __shfl_down_sync(0xffffffffu, total, apart);
      }
      if (thread() % 32 == 0) {
        to[part] = static_cast<float>(total * (1.0 / area()));
      }
    }
    __syncthreads();
  }

  const GradientLevel& level_;
  const GradientMemory memory_;
  const int part_, x_, y_;  // which of the block's planes; its column and its first row
  bool owns_;
};

}  // namespace phasenet::cuda
