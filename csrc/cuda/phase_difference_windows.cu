// Phase differences of every window of a video (Deng et al., AAAI 2020);
// csrc/cpu/ops/phase_difference_windows.cpp tells the algorithm. One block makes one tile of the
// differences of one frame from the one before, in every window that has both, and writes each
// once; their means are known beforehand (phase_planes.h), so nothing is read back.
#include <optional>

#include "operators.h"
#include "window_tiles.cuh"

namespace phasenet::cuda {
namespace {

template <typename T, typename Out>
__global__ void __launch_bounds__(kColumns* kGroups, 4)
    window_differences(Planes<T> planes, WindowShape shape, Out* out) {
  const WindowTile tile = this_tile(planes, shape);
  const int64_t area = int64_t{planes.h} * planes.w, t = tile.t;
  const auto write = [&](int64_t window, int64_t time, const T* values) {
    Out* target = out +
                  shape.output_plane(tile.video, window, planes.nbands, tile.band, time) * area +
                  int64_t{tile.y} * planes.w + tile.x;
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      if (tile.x < planes.w && tile.y + j < planes.h) {
        target[int64_t{j} * planes.w] = static_cast<Out>(values[j]);
      }
    }
  };

  if (shape.replicate && (t == 0 || t == shape.length - 1)) {
    // Zeros where a window repeats this frame: before the video's first, after its last. `time` is
    // what the frame's number would be without the repetition.
    const T zeros[kRun] = {};
    const auto frame = [&](int64_t time) {
      return time < 0 ? 0 : (time >= shape.length ? shape.length - 1 : time);
    };
    for (int64_t window = 0; window < shape.windows; ++window) {
      const int64_t begin = window - shape.shift, end = begin + shape.num_phase;
      if (begin >= 0 && end < shape.length) {
        continue;
      }
      for (int64_t time = begin + 1; time <= end; ++time) {
        if (frame(time) == t && frame(time - 1) == t) {
          write(window, time, zeros);
        }
      }
    }
  }
  if (t == 0) {
    return;
  }
  for_differences(planes, shape, tile, shared_memory<T>(), [&](int i, T* values) {
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      // NaN stays NaN.
      const T value = values[j];
      values[j] = value > kLimit<T> ? kLimit<T> : (value < -kLimit<T> ? -kLimit<T> : value);
    }
    const int64_t last = shape.last_window(t, i);
    for (int64_t window = shape.first_window(t, i); window <= last; ++window) {
      write(window, t, values);
    }
  });
}

// Into `results`, of `dtype`.
template <typename T>
void fill_windows(
    const Tensor& frames,
    const PhaseOptions& options,
    ScalarType dtype,
    const std::vector<Tensor>& results) {
  const Tensor videos = as_batch(frames, 3);
  const int64_t length = videos.size(1);
  const PhasePlanes<T> all = phase_planes<T>(videos, options);
  const Launch launch(frames);
  for (size_t i = 0; i < results.size(); ++i) {
    const Planes<T>& planes = all.levels[i];
    const Tensor& out = results[i];
    const WindowShape shape(options, length, planes);
    const int64_t blocks = videos.size(0) * length * options.nbands * shape.across * shape.down;
    const auto run = [&](auto kernel, auto* data) {
      launch(
          kernel,
          out.numel() == 0 ? 0 : blocks,
          dim3(kColumns, kGroups),
          2 * kFieldElements * static_cast<int64_t>(sizeof(T)),
          planes,
          shape,
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
  }
}

std::vector<Tensor> windows_of(
    const Tensor& frames,
    const PhaseOptions& options,
    std::optional<ScalarType> dtype,
    const std::vector<Tensor>* out = nullptr) {
  constexpr const char* op = "phasenet::phase_difference_windows";
  return with_compute_dtype("frames", frames.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const ScalarType wanted = dtype.value_or(Dtypes<T>::real);
    STD_TORCH_CHECK(
        wanted == ScalarType::Half || wanted == ScalarType::BFloat16 ||
            wanted == ScalarType::Float || wanted == ScalarType::Double,
        op,
        ": dtype: expected float16, bfloat16, float32 or float64");
    const auto specs = window_specs(frames, options, wanted);
    std::vector<Tensor> results;
    if (out != nullptr) {
      check_out(op, frames, *out, specs);
      results = *out;
    } else {
      for (const TensorSpec& spec : specs) {
        results.push_back(empty_like_device(frames, spec.shape, spec.dtype));
      }
    }
    fill_windows<T>(frames, options, wanted, results);
    return results;
  });
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
  return windows_of(
      frames,
      phase_options(frames, num_phase, height, nbands, std::move(levels), unwrap, boundary),
      dtype);
}

void phase_difference_windows_out(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary,
    std::optional<ScalarType> dtype,
    std::vector<Tensor> out) {
  windows_of(
      frames,
      phase_options(frames, num_phase, height, nbands, std::move(levels), unwrap, boundary),
      dtype,
      &out);
}

}  // namespace phasenet::cuda
