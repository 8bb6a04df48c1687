// The gradient of the phase differences with respect to the frames; the formulas are those of
// csrc/cpu/ops/phase_difference_windows_backward.cpp.
#include <cmath>

#include "denoise.cuh"
#include "operators.h"
#include "pyramid.h"
#include "window_sums.cuh"

namespace phasenet::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kSide = 32;
// Bands are transformed back in chunks that take at most this much.
constexpr int64_t kChunkBytes = int64_t{512} << 20;

// Sums -> the gradient of the complex band: a tile of the kept quarter of one plane, or of the
// zeros around it.
template <typename T>
__global__ void band_grads(
    Planes<T> planes, FrameSums<T> sums, int whole_h, int whole_w, int64_t first, Complex<T>* out) {
  const int across = (whole_w + kSide - 1) / kSide;
  const int tiles = across * ((whole_h + kSide - 1) / kSide);
  const int tile = static_cast<int>(blockIdx.x % tiles);
  const int top = tile / across * kSide, left = tile % across * kSide;
  const int64_t plane = blockIdx.x / tiles + first * planes.nbands;
  const int64_t area = int64_t{planes.h} * planes.w;
  Complex<T>* target = out + int64_t{blockIdx.x / tiles} * whole_h * whole_w;
  T* blurred = shared_memory<T>();
  T* blurred_phase = blurred;
  PlaneTile at{};
  if (top < planes.h && left < planes.w) {
    at = tile_at(top, left, kSide, kReach, planes);
    const Region region = at.region;
    blurred_phase = blurred + region.elements();
    for (int i = static_cast<int>(threadIdx.x); i < region.rows * region.columns;
         i += static_cast<int>(blockDim.x)) {
      const int y = i / region.columns, x = i % region.columns;
      const int64_t from = plane * area + int64_t{at.y + y} * planes.w + at.x + x;
      blurred[y * region.stride() + x] = sums.q[from];
      blurred_phase[y * region.stride() + x] = sums.q_phase[from];
    }
    T* scratch = blurred_phase + region.elements();
    blur(blurred, scratch, region);
    blur(blurred_phase, scratch, region);
  }
  for (int i = static_cast<int>(threadIdx.x); i < kSide * kSide;
       i += static_cast<int>(blockDim.x)) {
    const int y = top + i / kSide, x = left + i % kSide;
    if (y >= whole_h || x >= whole_w) {
      continue;
    }
    Complex<T> grad{T(0), T(0)};
    if (y < planes.h && x < planes.w) {
      const int64_t from = plane * area + int64_t{y} * planes.w + x;
      const int in_region = (y - at.y) * at.region.stride() + x - at.x;
      const T p = planes.phase[from], a = planes.amplitude[from];
      const T magnitude = a - T(1e-10);
      if (magnitude > 0) {  // at zero neither phase nor amplitude has a derivative
        const T da = p * blurred[in_region] + sums.wrapped[from] - blurred_phase[in_region];
        const T dp = a * blurred[in_region] / magnitude;
        const T c = std::cos(p), s = std::sin(p);
        grad = {da * c - dp * s, da * s + dp * c};
      }
    }
    target[int64_t{y} * whole_w + x] = grad;
  }
}

// Adjoint of the mirroring: [n, 2H, 2W] -> [n, H, W].
template <typename T>
__global__ void fold_mirror(const T* image, int64_t elements, int h, int w, T* out) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= elements) {
    return;
  }
  const int x = static_cast<int>(i % w), y = static_cast<int>(i / w % h);
  const T* upper = image + (i / w / h * 2 * h + y) * 2 * w;
  const T* lower = upper + int64_t{2 * h - 1 - 2 * y} * 2 * w;
  out[i] = upper[x] + upper[2 * w - 1 - x] + lower[x] + lower[2 * w - 1 - x];
}

template <typename T>
Tensor backward_of(
    const std::vector<Tensor>& grads, const Tensor& frames, const PhaseOptions& options) {
  const Tensor videos = as_batch(frames, 3);
  const int64_t length = videos.size(1), count = videos.size(0) * length;
  const Size size = image_size(frames), image{2 * size.h, 2 * size.w};
  const Launch launch(frames);
  const PhasePlanes<T> all = phase_planes<T>(videos, options);
  const auto sizes = level_sizes(image, options.height);
  std::vector<LevelSums<T>> sums;
  const Tensor memory = divide(videos, [&](Pieces& pieces) {
    sums.clear();
    for (const Planes<T>& planes : all.levels) {
      const WindowShape shape(options, length, planes);
      sums.push_back(take_sums(pieces, planes, shape, count * options.nbands));
    }
  });
  // Of every level the bands' gradients and their spectra, complex; of the image the half
  // spectra, their copy and workspace, and the result.
  int64_t alive = 4 * image.area();
  for (size_t i = 0; i < all.levels.size(); ++i) {
    const Planes<T>& planes = all.levels[i];
    const Size plane{planes.h, planes.w};
    check_grad(grads[i], options, videos.size(0), length, plane, Dtypes<T>::real);
    sum_grads(
        launch,
        dense(grads[i]),
        planes,
        WindowShape(options, length, planes),
        count * options.nbands,
        sums[i]);
    alive += 4 * options.nbands * sizes[options.levels[i] - 1].area();
  }
  const Tensor result = empty_like_device(frames, leading(frames, 0), Dtypes<T>::real);
  const int64_t bytes = alive * static_cast<int64_t>(sizeof(T));
  const int64_t chunk = std::max<int64_t>(1, kChunkBytes / bytes);
  for (int64_t first = 0; first < count; first += chunk) {
    const int64_t n = std::min(chunk, count - first);
    std::vector<Tensor> bands;
    for (size_t i = 0; i < all.levels.size(); ++i) {
      const Planes<T>& planes = all.levels[i];
      const Size whole = sizes[options.levels[i] - 1];
      bands.push_back(
          empty_like_device(frames, {n, options.nbands, whole.h, whole.w}, Dtypes<T>::complex));
      launch(
          band_grads<T>,
          n * options.nbands * blocks_for(whole.h, kSide) * blocks_for(whole.w, kSide),
          dim3(kThreads),
          3 * largest_region(kSide, kReach, planes).elements() * static_cast<int64_t>(sizeof(T)),
          planes,
          sums[i].sums,
          static_cast<int>(whole.h),
          static_cast<int>(whole.w),
          first,
          static_cast<Complex<T>*>(bands.back().mutable_data_ptr()));
    }
    const Tensor images = analytic_bands_adjoint<T>(bands, options.levels, image, options.height);
    launch(
        fold_mirror<T>,
        blocks_for(n * size.area(), kThreads),
        dim3(kThreads),
        0,
        images.const_data_ptr<T>(),
        n * size.area(),
        static_cast<int>(size.h),
        static_cast<int>(size.w),
        result.mutable_data_ptr<T>() + first * size.area());
  }
  return result;
}

}  // namespace

Tensor phase_difference_windows_backward(
    std::vector<Tensor> grads,
    const Tensor& frames,
    int64_t num_phase,
    int64_t height,
    int64_t nbands,
    std::vector<int64_t> levels,
    std::string unwrap,
    std::string boundary) {
  const PhaseOptions options =
      phase_options(frames, num_phase, height, nbands, std::move(levels), unwrap, boundary);
  check_grads(grads, frames, options);
  return with_compute_dtype("frames", frames.scalar_type(), [&](auto zero) {
    return backward_of<decltype(zero)>(grads, frames, options);
  });
}

}  // namespace phasenet::cuda
