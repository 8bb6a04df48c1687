// Phase differences of every window of a video (Deng et al., AAAI 2020); csrc/cpu/phase_windows.cpp
// tells the algorithm. One block makes one tile of the differences of one frame from the one
// before, in every window that has both, and writes each once; their means are known beforehand
// (phase_planes.h), so nothing is read back.
#include <optional>

#include "blur.cuh"
#include "operators.h"
#include "phase_planes.h"

namespace phasenet::cuda {
namespace {

constexpr int kColumns = 16, kGroups = 6;  // threads of a block
constexpr int kRows = kGroups * kRun;      // a thread has kRun rows of one column
constexpr int kFieldRows = kRows + 2 * kReach;

struct WindowShape {
  int64_t length, windows;
  int num_phase, shift;  // shift: frames before a window's own, P / 2 with "replicate"
  bool replicate;
};

// No fused multiply-add: equal frames have to give exactly zero.
__device__ __forceinline__ float rounded_product(float a, float b) {
#if defined(PHASENET_EMULATED)
  return a * b;
#else
  return __fmul_rn(a, b);
#endif
}
__device__ __forceinline__ double rounded_product(double a, double b) {
#if defined(PHASENET_EMULATED)
  return a * b;
#else
  return __dmul_rn(a, b);
#endif
}

// Adds to both frames' fields, blurred along x only, the turns of one frame's jumps. Returns
// whether this thread added anything.
template <typename T>
__device__ bool add_turns(
    const Planes<T>& planes,
    int64_t jumps_plane,
    int64_t after_plane,
    bool to_before,
    int top,
    int left,
    T* after,
    T* before) {
  bool any = false;
  const int64_t area = int64_t{planes.h} * planes.w;
  const T* a = planes.amplitude + after_plane * area;
  const T* b = a - planes.nbands * area;
  const int x = left + static_cast<int>(threadIdx.x);
  if (x >= planes.w) {
    return false;
  }
  // Bits x - 5 ... x + 5 of a row; bit 32 is column 0.
  const int first = x + 32 - kReach, word = first / 32, offset = first % 32;
  for (int r = static_cast<int>(threadIdx.y); r < kFieldRows; r += kGroups) {
    const int y = top - kReach + r;
    if (y < 0 || y >= planes.h) {
      continue;
    }
    const int64_t at = (jumps_plane * planes.h + y) * planes.words + word;
    const auto window = [&](const uint32_t* mask) {
      const uint64_t both = uint64_t{mask[at]} | uint64_t{mask[at + 1]} << 32;
      return static_cast<uint32_t>(both >> offset) & ((1u << kTaps) - 1);
    };
    const uint32_t up = window(planes.up), bits = up | window(planes.down);
    if (bits == 0) {
      continue;
    }
    any = true;
    T sum_after = 0, sum_before = 0;
    for (uint32_t rest = bits; rest != 0; rest &= rest - 1) {
      const int i = __ffs(rest) - 1;
      const int distance = i < kReach ? kReach - i : i - kReach;
      const T weight = std::exp(T(-0.125) * T(distance * distance));
      const T turn = (up >> i & 1) != 0 ? weight : -weight;
      const int64_t pixel = int64_t{y} * planes.w + x + i - kReach;
      sum_after += turn * a[pixel];
      if (to_before) {
        sum_before += turn * b[pixel];
      }
    }
    after[r * kColumns + threadIdx.x] += sum_after;
    if (to_before) {
      before[r * kColumns + threadIdx.x] += sum_before;
    }
  }
  return any;
}

// This thread's rows of a field blurred along y, times 2 pi.
template <typename T>
__device__ void blur_down(const T* field, T* out) {
  T in[kRun + 2 * kReach];
#pragma unroll
  for (int j = 0; j < kRun + 2 * kReach; ++j) {
    in[j] = field[(static_cast<int>(threadIdx.y) * kRun + j) * kColumns + threadIdx.x];
  }
#pragma unroll
  for (int j = 0; j < kRun; ++j) {
    T sum = in[j + kReach];
#pragma unroll
    for (int k = 1; k <= kReach; ++k) {
      sum += tap<T>(k) * (in[j + kReach - k] + in[j + kReach + k]);
    }
    out[j] = sum * T(2 * kPi);
  }
}

template <typename T, typename Out>
__global__ void __launch_bounds__(kColumns* kGroups, 4) window_differences(
    Planes<T> planes, WindowShape shape, int tiles_across, int tiles_down, Out* out) {
  T* after = shared_memory<T>();
  T* before = after + kFieldRows * kColumns;
  const int tile = static_cast<int>(blockIdx.x % (tiles_across * tiles_down));
  const int64_t plane = blockIdx.x / (tiles_across * tiles_down);
  const int band = static_cast<int>(plane % planes.nbands);
  const int64_t frame = plane / planes.nbands, video = frame / shape.length;
  const int64_t t = frame % shape.length;
  const int64_t area = int64_t{planes.h} * planes.w;
  const int top = tile / tiles_across * kRows, left = tile % tiles_across * kColumns;
  const int x = left + static_cast<int>(threadIdx.x);
  const int y = top + static_cast<int>(threadIdx.y) * kRun;
  const auto write = [&](int64_t window, int64_t position, const T* values) {
    Out* target = out +
                  (((video * shape.windows + window) * planes.nbands + band) * shape.num_phase +
                   position - 1) *
                      area +
                  int64_t{y} * planes.w + x;
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      if (x < planes.w && y + j < planes.h) {
        target[int64_t{j} * planes.w] = static_cast<Out>(values[j]);
      }
    }
  };

  if (shape.replicate && (t == 0 || t == shape.length - 1)) {
    // Zeros where a window repeats this frame: before the video's first, after its last.
    const T zeros[kRun] = {};
    const auto index = [&](int64_t window, int64_t i) {
      const int64_t at = window + i - shape.shift;
      return at < 0 ? 0 : (at >= shape.length ? shape.length - 1 : at);
    };
    for (int64_t window = 0; window < shape.windows; ++window) {
      if (window >= shape.shift && window + shape.num_phase - shape.shift < shape.length) {
        continue;
      }
      for (int i = 1; i <= shape.num_phase; ++i) {
        const int64_t now = index(window, i);
        if (now == t && index(window, i - 1) == t) {
          write(window, i, zeros);
        }
      }
    }
  }
  if (t == 0) {
    return;
  }

  const int threads = kColumns * kGroups;
  for (int i = static_cast<int>(threadIdx.y * kColumns + threadIdx.x);
       i < 2 * kFieldRows * kColumns;
       i += threads) {
    after[i] = 0;
  }
  T plain[kRun], inverse_after[kRun], inverse_before[kRun], turned[kRun] = {};
#pragma unroll
  for (int j = 0; j < kRun; ++j) {
    const bool inside = x < planes.w && y + j < planes.h;
    const int64_t at = plane * area + int64_t{y + j} * planes.w + x;
    const int64_t last = at - planes.nbands * area;
    plain[j] = inside ? planes.denoised[at] - planes.denoised[last] : T(0);
    inverse_after[j] = inside ? planes.inverse[at] : T(0);
    inverse_before[j] = inside ? planes.inverse[last] : T(0);
  }
  const double* means_after = planes.means + plane * (shape.num_phase + 1);
  const double* means_before = means_after - planes.nbands * (shape.num_phase + 1);
  const double plain_mean = means_after[0] - means_before[0];
  const T limit = T(5 * kPi);
  for (int i = 1; i <= shape.num_phase && i <= t; ++i) {
    const int64_t start = t - i;
    __syncthreads();
    // The turns since the start of the window: this one's jump for both frames, but the first is
    // the later frame's alone.
    const bool any = add_turns(
        planes, plane - int64_t{i - 1} * planes.nbands, plane, i > 1, top, left, after, before);
    if (__syncthreads_or(any)) {
      T field[kRun];
      blur_down(after, field);
      blur_down(before, turned);
#pragma unroll
      for (int j = 0; j < kRun; ++j) {
        turned[j] = rounded_product(field[j], inverse_after[j]) -
                    rounded_product(turned[j], inverse_before[j]);
      }
    }
    const double mean = plain_mean + means_after[i] - (i > 1 ? means_before[i - 1] : 0.0);
    T values[kRun];
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      const T value = plain[j] + turned[j] - static_cast<T>(mean);
      // NaN stays NaN.
      values[j] = value > limit ? limit : (value < -limit ? -limit : value);
    }
    const int64_t last = start + shape.shift;
    int64_t first = last;
    if (start == 0) {  // several windows begin at the first frame where it is repeated before it
      first = t + shape.shift - shape.num_phase;
      first = first < 0 ? 0 : first;
    }
    for (int64_t window = first; window <= last && window < shape.windows; ++window) {
      write(window, t - window + shape.shift, values);
    }
  }
}

template <typename T>
std::vector<Tensor> windows_of(
    const Tensor& frames, const PhaseOptions& options, ScalarType dtype) {
  const Tensor videos = as_batch(frames, 3);
  const int64_t length = videos.size(1), windows = options.windows(length);
  const auto levels = phase_planes<T>(videos, options);
  const Launch launch(frames);
  const WindowShape shape{
      length,
      windows,
      static_cast<int>(options.num_phase),
      static_cast<int>(options.replicate ? options.num_phase / 2 : 0),
      options.replicate};
  std::vector<Tensor> result;
  for (const OwnedPlanes<T>& owned : levels) {
    const Planes<T>& planes = owned.planes;
    const Tensor out = empty_like_device(
        frames,
        {videos.size(0), windows, options.nbands * options.num_phase, planes.h, planes.w},
        dtype);
    const int across = static_cast<int>(blocks_for(planes.w, kColumns));
    const int down = static_cast<int>(blocks_for(planes.h, kRows));
    const int64_t blocks = videos.size(0) * length * options.nbands * across * down;
    const auto run = [&](auto kernel, auto* data) {
      launch(
          kernel,
          out.numel() == 0 ? 0 : blocks,
          dim3(kColumns, kGroups),
          2 * kFieldRows * kColumns * static_cast<int64_t>(sizeof(T)),
          planes,
          shape,
          across,
          down,
          data);
    };
    using torch::headeronly::BFloat16;
    using torch::headeronly::Half;
    switch (dtype) {
      case ScalarType::Half:
        run(window_differences<T, Half>, out.mutable_data_ptr<Half>());
        break;
      case ScalarType::BFloat16:
        run(window_differences<T, BFloat16>, out.mutable_data_ptr<BFloat16>());
        break;
      case ScalarType::Float:
        run(window_differences<T, float>, out.mutable_data_ptr<float>());
        break;
      default:
        run(window_differences<T, double>, out.mutable_data_ptr<double>());
    }
    result.push_back(with_batch(out, leading(frames, 3)));
  }
  return result;
}

}  // namespace

std::vector<Tensor> phase_difference_windows(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary,
    std::optional<ScalarType> dtype) {
  const PhaseOptions options =
      phase_options(frames, num_phase, height, nbands, std::move(levels), unwrap, boundary);
  return with_compute_dtype("frames", frames.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const ScalarType wanted = dtype.value_or(Dtypes<T>::real);
    STD_TORCH_CHECK(
        wanted == ScalarType::Half || wanted == ScalarType::BFloat16 ||
            wanted == ScalarType::Float || wanted == ScalarType::Double,
        "phasenet::phase_difference_windows: dtype: expected float16, bfloat16, float32 or "
        "float64");
    return windows_of<T>(frames, options, wanted);
  });
}

}  // namespace phasenet::cuda
