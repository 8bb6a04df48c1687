// Phase differences of every window of a video whose frames come one by one. Each frame is
// transformed once, and each difference is made as soon as its second frame is there, exactly as
// phase_difference_windows makes it.
#include <algorithm>
#include <limits>
#include <optional>

#include "../band_windows.h"

namespace phasenet {
namespace {

// Differences a task should make at least: a thread that has to be woken costs more than fewer, and
// on a machine with other work to do much more.
constexpr int64_t kTaskValues = int64_t{1} << 18;

constexpr int64_t kMostFrames = int64_t{1} << 48;  // of a stream; their numbers are multiplied

constexpr size_t kPerLevel = 7;  // tensors of the state: six of planes, then the windows

// The planes that a new frame is compared with, and the wraps since the oldest window's start.
int64_t kept_frames(const PhaseOptions& options) {
  return options.num_phase + 1;
}

std::vector<Size> band_sizes(const Tensor& frames, const PhaseOptions& options) {
  const Size size = image_size(frames);
  return level_sizes({2 * size.h, 2 * size.w}, options.height);
}

// Options of frames [N, H, W], from those of videos of one frame, which are repeated.
PhaseOptions stream_options(
    const Tensor& frames, PhaseOptions options, const std::string& boundary) {
  STD_TORCH_CHECK(frames.dim() == 3, "phasenet: phase_stream: frames: expected shape [N, H, W]");
  STD_TORCH_CHECK(
      boundary == "replicate" || boundary == "valid",
      "phasenet: phase_stream: boundary: unknown ",
      boundary);
  options.replicate = boundary == "replicate";
  return options;
}

// The tensors of the state, for windows of `dtype`.
template <typename T>
std::vector<TensorSpec> state_parts(
    const Tensor& frames, const PhaseOptions& options, ScalarType dtype) {
  const std::vector<Size> sizes = band_sizes(frames, options);
  const int64_t count = frames.size(0), channels = options.nbands * options.num_phase;
  std::vector<TensorSpec> state;
  for (const int64_t level : options.levels) {
    const Size size = sizes[level - 1];
    for (TensorSpec part : LevelPlanes<T>::parts(kept_frames(options), options.nbands, size)) {
      part.shape.insert(part.shape.begin(), count);
      state.push_back(part);
    }
    state.push_back({{count, options.num_phase, channels, size.h / 2, size.w / 2}, dtype});
  }
  return state;
}

// The planes of one video in its state.
template <typename T>
std::vector<LevelPlanes<T>> planes_of(
    const std::vector<Tensor>& state,
    const std::vector<Size>& sizes,
    int64_t video,
    const PhaseOptions& options) {
  std::vector<LevelPlanes<T>> levels;
  for (size_t i = 0; i < options.levels.size(); ++i) {
    std::vector<Tensor> parts;
    for (size_t j = 0; j + 1 < kPerLevel; ++j) {
      parts.push_back(slice(state[i * kPerLevel + j], video, video + 1));
    }
    levels.emplace_back(kept_frames(options), options.nbands, sizes[options.levels[i] - 1], parts);
  }
  return levels;
}

// For the largest of what lies there as bytes.
bool is_aligned(const Tensor& x) {
  return reinterpret_cast<uintptr_t>(x.const_data_ptr()) % alignof(RowWraps) == 0;
}

// The planes of every video. The state is memory that is written to and that tells where: it has to
// be what was given out.
template <typename T>
std::vector<std::vector<LevelPlanes<T>>> checked_planes(
    const std::vector<Tensor>& state, const Tensor& frames, const PhaseOptions& options) {
  std::vector<std::vector<LevelPlanes<T>>> videos;
  bool same = state.size() == kPerLevel * options.levels.size();
  if (same) {
    const auto expected = state_parts<T>(frames, options, state[kPerLevel - 1].scalar_type());
    for (size_t i = 0; same && i < state.size(); ++i) {
      same = fits(state[i], expected[i]) && is_aligned(state[i]);
      for (size_t j = 0; same && j < i; ++j) {
        same = !overlap(state[i], state[j]);
      }
    }
  }
  const std::vector<Size> sizes = band_sizes(frames, options);
  for (int64_t video = 0; same && video < frames.size(0); ++video) {
    videos.push_back(planes_of<T>(state, sizes, video, options));
    for (const LevelPlanes<T>& level : videos.back()) {
      same = same && level.wraps_fit();
    }
  }
  STD_TORCH_CHECK(
      same, "phasenet::phase_stream_push: state: expected what phase_stream_state gave");
  return videos;
}

template <typename T>
void push_to_video(
    const Tensor& frame,
    const std::vector<Tensor>& state,
    std::vector<LevelPlanes<T>> levels,
    int64_t video,
    int64_t t,
    const PhaseOptions& options) {
  std::vector<Tensor> windows;
  for (size_t i = kPerLevel - 1; i < state.size(); i += kPerLevel) {
    windows.push_back(slice(state[i], video, video + 1));
  }
  PhasePlanes<T> planes(frame, options, std::move(levels), t);
  planes.fill(t, t + 1);
  int64_t values = 0;
  for (const Tensor& level : windows) {
    values = std::max(values, level.numel() / options.nbands / options.num_phase);
  }
  const int64_t grain = std::max<int64_t>(1, kTaskValues / std::max<int64_t>(1, values));
  const int64_t tasks = t == 0 ? 0 : static_cast<int64_t>(windows.size()) * options.nbands;
  torch::stable::parallel_for(0, tasks, grain, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const size_t level = task / options.nbands;
      BandWindows<T> band_windows(
          planes.levels()[level],
          options,
          std::numeric_limits<int64_t>::max(),
          options.num_phase,
          windows[level]);
      band_windows.push(t, task % options.nbands);
    }
  });
}

std::vector<Tensor> phase_stream_state(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::optional<ScalarType> dtype) {
  const PhaseOptions options = stream_options(
      frames,
      phase_options(frames, num_phase, height, nbands, std::move(levels), "full", "replicate"),
      "valid");
  return with_input_dtype("frames", frames.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    conversion<T>(dtype.value_or(Dtypes<T>::real));  // refuses what is no dtype for planes
    std::vector<Tensor> state;
    for (const TensorSpec& part :
         state_parts<T>(frames, options, dtype.value_or(Dtypes<T>::real))) {
      state.push_back(torch::stable::new_zeros(frames, part.shape, part.dtype));
    }
    return state;
  });
}

void phase_stream_push(
    const Tensor& frames,
    std::vector<Tensor> state,
    int64_t t,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary) {
  const PhaseOptions options = stream_options(
      frames,
      phase_options(frames, num_phase, height, nbands, std::move(levels), unwrap, "replicate"),
      boundary);
  STD_TORCH_CHECK(
      t >= 0 && t < kMostFrames,
      "phasenet::phase_stream_push: t: expected at least 0 and less than 2^48, got ",
      t);
  const Tensor dense = torch::stable::contiguous(frames);
  with_input_dtype("frames", frames.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    auto planes = checked_planes<T>(state, frames, options);
    for (int64_t video = 0; video < dense.size(0); ++video) {
      const Tensor frame = slice(dense, video, video + 1);
      push_to_video<T>(frame, state, std::move(planes[video]), video, t, options);
    }
  });
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("phase_stream_state", TORCH_BOX(&phasenet::phase_stream_state));
  m.impl("phase_stream_push", TORCH_BOX(&phasenet::phase_stream_push));
}
