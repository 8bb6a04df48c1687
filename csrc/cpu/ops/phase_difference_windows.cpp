// Phase differences of every window of a video (Deng et al., AAAI 2020). What depends on one frame
// is computed once; a window only adds the wraps its own unwrapping needs (see ../band_windows.h).
#include <algorithm>
#include <optional>

#include "../band_windows.h"

namespace phasenet {
namespace {

// Frames are worked on in blocks whose planes take about this much and stay in the cache.
constexpr int64_t kBlockBytes = int64_t{3} << 20;

// Into `out`.
template <typename T>
void fill_windows(
    const Tensor& frames, const PhaseOptions& options, const std::vector<Tensor>& out) {
  const Tensor videos = as_batch(frames, 3);
  const int64_t length = videos.size(1), count = videos.size(0) * length;
  if (count == 0) {
    return;  // as in pyramid.cpp
  }
  const int64_t nbands = options.nbands, windows = options.windows(length);
  const int64_t per_frame = phase_frame_bytes<T>(image_size(videos), options);
  const int64_t least = 4 * static_cast<int64_t>(torch::stable::get_num_threads());
  const int64_t block = std::min(std::max(kBlockBytes / per_frame, least), count);
  PhasePlanes<T> planes(videos, options, block + options.num_phase + 1);
  for (int64_t first = 0; first < count; first += block) {
    const int64_t last = std::min(first + block, count), frames_here = last - first;
    planes.fill(first, last);
    torch::stable::parallel_for(0, nbands * frames_here, 1, [&](int64_t begin, int64_t end) {
      for (size_t i = 0; i < out.size(); ++i) {
        BandWindows<T> band_windows(planes.levels()[i], options, length, windows, out[i]);
        for (int64_t band = begin / frames_here; band * frames_here < end; ++band) {
          const int64_t offset = first - band * frames_here;
          band_windows.run(band, std::max(begin + offset, first), std::min(end + offset, last));
        }
      }
    });
  }
}

std::vector<Tensor> windows_of(
    const Tensor& frames,
    const PhaseOptions& options,
    std::optional<ScalarType> dtype,
    const std::vector<Tensor>* out = nullptr) {
  return with_input_dtype("frames", frames.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    const ScalarType chosen = dtype.value_or(Dtypes<T>::real);
    conversion<T>(chosen);  // refuses what is no dtype for planes
    const auto specs = window_specs(frames, options, chosen);
    if (out != nullptr) {
      check_out("phasenet::phase_difference_windows", frames, *out, specs);
    }
    const std::vector<Tensor> result = out != nullptr ? *out : empty_cpu(specs);
    fill_windows<T>(frames, options, result);
    return result;
  });
}

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

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("phase_difference_windows", TORCH_BOX(&phasenet::phase_difference_windows));
  m.impl("phase_difference_windows.out", TORCH_BOX(&phasenet::phase_difference_windows_out));
}
