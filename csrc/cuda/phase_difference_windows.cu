// Phase differences of every window of a video (Deng et al., AAAI 2020);
// csrc/cpu/ops/phase_difference_windows.cpp tells the algorithm. Planes of 48 x 48 and 24 x 24 go
// to square_windows.cuh, other small ones to window_walk.cuh. Of larger ones a block here makes one
// tile of the differences of one frame from the one before, in every window that has both, and
// writes each once; their means are known beforehand (phase_planes.h), so nothing is read back.
#include <optional>
#include <type_traits>

#include "operators.h"
#include "square_launches.cuh"
#include "square_windows.cuh"
#include "window_tiles.cuh"
#include "window_walk.cuh"

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
    const T zeros[kRun] = {};
    for_repeats(shape, t, [&](int64_t window, int64_t time) { write(window, time, zeros); });
  }
  if (t == 0) {
    return;
  }
  for_differences(planes, shape, tile, shared_memory<T>(), [&](int i, T* values) {
#pragma unroll
    for (int j = 0; j < kRun; ++j) {
      values[j] = clamped(values[j]);
    }
    const int64_t last = shape.last_window(t, i);
    for (int64_t window = shape.first_window(t, i); window <= last; ++window) {
      write(window, t, values);
    }
  });
}

// Calls run(pointer to the data), of the type that `dtype` is.
template <typename Run>
void with_output_type(ScalarType dtype, const Tensor& out, const Run& run) {
  using torch::headeronly::BFloat16;
  using torch::headeronly::Half;
  switch (dtype) {
    case ScalarType::Half:
      return run(out.mutable_data_ptr<Half>());
    case ScalarType::BFloat16:
      return run(out.mutable_data_ptr<BFloat16>());
    case ScalarType::Float:
      return run(out.mutable_data_ptr<float>());
    default:
      return run(out.mutable_data_ptr<double>());
  }
}

// Whether there is a walk that computes in T and writes Out: not for results that are wider or, in
// double precision, narrower, which few ask for.
template <typename T, typename Out>
constexpr bool kWalks = std::is_same_v<T, double> == std::is_same_v<Out, double>;

template <typename T, typename Out>
void launch_walk(
    const Launch& launch,
    const Planes<T>& planes,
    const WindowShape& shape,
    const Walk& walk,
    bool only_down,
    Out* out) {
  // Addresses are simpler where the size is known: those of MIMAMO.
  auto* kernel = walk_windows<T, Out, 0>;
  if constexpr (std::is_same_v<T, float>) {
    if (planes.h == 48 && planes.w == 48) {
      kernel = walk_windows<T, Out, 48>;
    } else if (planes.h == 24 && planes.w == 24) {
      kernel = walk_windows<T, Out, 24>;
    }
  }
  launch(
      kernel,
      walk.blocks(),
      dim3(kWalkers<T>),
      walk_bytes<T>(walk, shape.num_phase, planes.h, planes.w),
      planes,
      shape,
      walk,
      only_down,
      out);
}

// The windows of `count` videos from video `first` on, whose planes these are.
template <typename Out>
void launch_squares(
    const Launch& launch,
    const std::vector<Planes<float>>& levels,
    const PhaseOptions& options,
    int64_t length,
    int64_t first,
    int64_t count,
    const std::vector<Tensor>& results) {
  WindowSquares<Out> whole{}, half{};
  walk_along_squares(
      launch,
      walk_squares<Out>,
      levels,
      options,
      length,
      count,
      whole,
      half,
      [&](WindowSquares<Out>& level, size_t i) {
        level.out = results[i].mutable_data_ptr<Out>() +
                    level.shape.output_plane(first, 0, level.nbands, 0, 1 - level.shape.shift) *
                        levels[i].h * levels[i].w;
      });
}

// Some videos at a time, so that their planes stay in L2 until they are read; so few that half of
// it is left.
template <typename Out>
void fill_squares(
    const Launch& launch,
    const Tensor& videos,
    const PhaseOptions& options,
    const std::vector<Tensor>& results) {
  const int64_t count = videos.size(0), length = videos.size(1);
  int64_t bytes = 0;  // of a video's planes
  for (const Tensor& out : results) {
    bytes += length * options.nbands * image_size(out).area() * 2 * int64_t{sizeof(float)};
  }
  const int64_t most = std::max<int64_t>(1, launch.l2_bytes() / 2 / bytes);
  const int64_t at_once = blocks_for(count, blocks_for(count, most));
  for_phase_planes<float>(
      videos, options, at_once, [&](const auto& levels, int64_t first, int64_t n) {
        launch_squares<Out>(launch, levels, options, length, first, n, results);
      });
}

// The same where results may lie anywhere: walk_squares writes values in pieces.
template <typename Out>
void fill_any_squares(
    const Launch& launch,
    const Tensor& videos,
    const PhaseOptions& options,
    const std::vector<Tensor>& results) {
  std::vector<Tensor> aligned;
  for (const Tensor& result : results) {
    const auto address = reinterpret_cast<uintptr_t>(result.const_data_ptr());
    aligned.push_back(
        address % sizeof(Piece<Out>) == 0
            ? result
            : empty_like_device(result, leading(result, 0), result.scalar_type()));
  }
  fill_squares<Out>(launch, videos, options, aligned);
  for (size_t i = 0; i < results.size(); ++i) {
    Tensor result = results[i];
    if (result.const_data_ptr() != aligned[i].const_data_ptr()) {
      torch::stable::copy_(result, aligned[i]);
    }
  }
}

// Into `results`, of `dtype`.
template <typename T>
void fill_windows(
    const Tensor& frames,
    const PhaseOptions& options,
    ScalarType dtype,
    const std::vector<Tensor>& results) {
  const Tensor videos = as_batch(frames, 3);
  const int64_t count = videos.size(0), length = videos.size(1);
  const Launch launch(frames);
  if constexpr (std::is_same_v<T, float>) {
    bool done = false;
    with_output_type(dtype, results[0], [&](auto* data) {
      using Out = std::remove_pointer_t<decltype(data)>;
      if constexpr (!std::is_same_v<Out, double>) {
        done = results[0].numel() > 0 && are_squares(videos, options) &&
               fits_squares(launch, walk_squares<Out>);
        if (done) {
          fill_any_squares<Out>(launch, videos, options, results);
        }
      }
    });
    if (done) {
      return;
    }
  }
  std::vector<Walk> walks;  // none, if planes of one level are too large
  if (std::is_same_v<T, double> == (dtype == ScalarType::Double)) {
    walks = walks_of<T>(launch, videos, options);
  }
  const PhasePlanes<T> all = phase_planes<T>(videos, options, walks.empty());
  for (size_t i = 0; i < results.size(); ++i) {
    const Planes<T>& planes = all.levels[i];
    const Tensor& out = results[i];
    const WindowShape shape(options, length, planes);
    if (out.numel() == 0) {
      continue;
    }
    with_output_type(dtype, out, [&](auto* data) {
      using Out = std::remove_pointer_t<decltype(data)>;
      if constexpr (kWalks<T, Out>) {
        if (!walks.empty()) {
          launch_walk<T>(launch, planes, shape, walks[i], options.only_down, data);
          return;
        }
      }
      launch(
          window_differences<T, Out>,
          count * length * options.nbands * shape.across * shape.down,
          dim3(kColumns, kGroups),
          2 * kFieldElements * static_cast<int64_t>(sizeof(T)),
          planes,
          shape,
          data);
    });
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
