// Phase differences of every window of a video (Deng et al., AAAI 2020). What depends on one frame
// is computed once; a window only adds the turns its own unwrapping needs.
#include "phase_planes.h"

namespace phasenet {
namespace {

template <typename T>
Tensor level_windows(
    const LevelPlanes<T>& planes, const PhaseOptions& options, int64_t videos, int64_t length) {
  const int64_t windows = options.windows(length), count = options.num_phase;
  const Size size = planes.size;
  const Tensor out =
      empty_cpu({videos, windows, options.nbands * count, size.h, size.w}, Dtypes<T>::real);
  T* data = out.mutable_data_ptr<T>();
  torch::stable::parallel_for(
      0, videos * windows * options.nbands, 1, [&](int64_t begin, int64_t end) {
        const Scratch<T> scratch = kernel_scratch<T>(size);
        std::vector<WindowFrame<T>> frames(count + 1);
        for (int64_t task = begin; task < end; ++task) {
          const int64_t band = task % options.nbands;
          const int64_t window = task / options.nbands % windows;
          const int64_t video = task / options.nbands / windows;
          fill_window(planes, options, video, length, window, band, frames);
          kernels<T>().window(
              frames.data(),
              count,
              size.h,
              size.w,
              data + task * count * size.area(),
              scratch.data());
        }
      });
  return out;
}

template <typename T>
std::vector<Tensor> windows_of(const Tensor& frames, const PhaseOptions& options) {
  const Tensor videos = as_batch(frames, 3);
  std::vector<Tensor> result;
  for (const LevelPlanes<T>& planes : phase_planes<T>(videos, options)) {
    const Tensor out = level_windows(planes, options, videos.size(0), videos.size(1));
    result.push_back(with_batch(out, leading(frames, 3)));
  }
  return result;
}

std::vector<Tensor> phase_difference_windows(
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary) {
  const PhaseOptions options =
      phase_options(frames, num_phase, height, nbands, std::move(levels), unwrap, boundary);
  return with_compute_dtype("frames", frames.scalar_type(), [&](auto zero) {
    return windows_of<decltype(zero)>(frames, options);
  });
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("phase_difference_windows", TORCH_BOX(&phasenet::phase_difference_windows));
}
