// The gradient of the phase differences with respect to the frames; the formulas are those of
// csrc/cpu/ops/phase_difference_windows_backward.cpp. Planes are walked along (gradient_walk.cuh)
// and transformed back by products with cosines (cosine_adjoint.cuh, square_adjoint.cuh) where they
// are small; larger ones go by tiles (window_sums.cuh) and by FFT.
#include <cmath>

#include "denoise.cuh"
#include "gradient_launches.cuh"
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

// The gradients of a level's coefficients, from `first` to `first` + `frames` - 1, by tiles; zeros
// around those that were kept.
template <typename T>
void grads_by_tiles(
    const Launch& launch,
    const Planes<T>& planes,
    const LevelSums<T>& level,
    Size whole,
    int64_t first,
    int64_t frames,
    Complex<T>* out) {
  launch(
      band_grads<T>,
      frames * planes.nbands * blocks_for(whole.h, kSide) * blocks_for(whole.w, kSide),
      dim3(kThreads),
      3 * largest_region(kSide, kReach, planes).elements() * static_cast<int64_t>(sizeof(T)),
      planes,
      level.sums,
      static_cast<int>(whole.h),
      static_cast<int>(whole.w),
      first,
      out);
}

// Sums over windows by tiles, for each level; `memory` is theirs.
template <typename T>
std::vector<LevelSums<T>> sums_by_tiles(
    const Launch& launch,
    const std::vector<Tensor>& grads,
    const std::vector<Planes<T>>& levels,
    const Tensor& videos,
    const PhaseOptions& options,
    Tensor& memory) {
  const int64_t length = videos.size(1), count = videos.size(0) * length * options.nbands;
  std::vector<LevelSums<T>> sums;
  memory = divide(videos, [&](Pieces& pieces) {
    sums.clear();
    for (const Planes<T>& planes : levels) {
      sums.push_back(take_sums(pieces, planes, WindowShape(options, length, planes), count));
    }
  });
  for (size_t i = 0; i < levels.size(); ++i) {
    const WindowShape shape(options, length, levels[i]);
    sum_grads(launch, grads[i], levels[i], shape, count, sums[i]);
  }
  return sums;
}

// By FFTs of the bands, whatever the frames' size.
template <typename T>
void backward_by_fourier(
    const Launch& launch,
    const std::vector<Tensor>& grads,
    const Tensor& videos,
    const PhaseOptions& options,
    T* result) {
  const int64_t count = videos.size(0) * videos.size(1);
  const Size size = image_size(videos), image{2 * size.h, 2 * size.w};
  const PhasePlanes<T> all = phase_planes<T>(videos, options);
  const auto sizes = level_sizes(image, options.height);
  Tensor memory;
  const auto sums = sums_by_tiles(launch, grads, all.levels, videos, options, memory);
  // Of every level the bands' gradients and their spectra, complex; of the image the half
  // spectra, their copy and workspace, and the result.
  int64_t alive = 4 * image.area();
  for (const int64_t level : options.levels) {
    alive += 4 * options.nbands * sizes[level - 1].area();
  }
  const int64_t bytes = alive * static_cast<int64_t>(sizeof(T));
  const int64_t chunk = std::max<int64_t>(1, kChunkBytes / bytes);
  for (int64_t first = 0; first < count; first += chunk) {
    const int64_t n = std::min(chunk, count - first);
    std::vector<Tensor> bands;
    for (size_t i = 0; i < all.levels.size(); ++i) {
      const Size whole = sizes[options.levels[i] - 1];
      bands.push_back(
          empty_like_device(videos, {n, options.nbands, whole.h, whole.w}, Dtypes<T>::complex));
      auto* out = static_cast<Complex<T>*>(bands.back().mutable_data_ptr());
      grads_by_tiles(launch, all.levels[i], sums[i], whole, first, n, out);
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
        result + first * size.area());
  }
}

// By products with cosines, of frames as small as `plan` has them.
template <typename T>
void backward_by_cosines(
    const Launch& launch,
    const std::vector<Tensor>& grads,
    const Tensor& videos,
    const PhaseOptions& options,
    const CosinePlan& plan,
    T* result) {
  const int64_t count = videos.size(0) * videos.size(1);
  std::vector<Walk> walks;  // none in double precision, for which registers do not suffice
  if constexpr (std::is_same_v<T, float>) {
    walks = walks_of<T>(launch, videos, options, gradient_threads, gradient_bytes, kFramesAround);
  }
  const bool squares = !walks.empty() && are_frames_of_squares(plan);
  T* tables = nullptr;
  std::vector<Complex<T>*> out;  // of each level's coefficients
  const Tensor memory = divide(videos, [&](Pieces& pieces) {
    tables = pieces.take<T>(squares ? 4 * kAdjointTables : plan.table_elements);
    out.clear();
    for (int i = 0; i < plan.count; ++i) {
      const int64_t area = int64_t{plan.levels[i].y.kept} * plan.levels[i].x.kept;
      out.push_back(pieces.take<Complex<T>>(count * options.nbands * area));
    }
  });
  if (squares) {
    fill_square_tables(launch, square_adjoint_tables, kAdjointTables, tables);
  } else {
    fill_tables<T>(launch, options, plan, tables);
  }
  if constexpr (std::is_same_v<T, float>) {
    if (!walks.empty()) {
      for_phase_planes<T>(videos, options, videos.size(0), [&](const auto& levels, auto...) {
        walk_levels(launch, levels, walks, options, videos, grads, out);
      });
    }
  }
  if (walks.empty()) {
    const PhasePlanes<T> all = phase_planes<T>(videos, options);
    Tensor sums_memory;
    const auto sums = sums_by_tiles(launch, grads, all.levels, videos, options, sums_memory);
    for (size_t i = 0; i < all.levels.size(); ++i) {
      const Size kept{all.levels[i].h, all.levels[i].w};
      grads_by_tiles(launch, all.levels[i], sums[i], kept, 0, count, out[i]);
    }
  }
  if (squares) {
    launch_square_adjoint<T>(launch, tables, out[0], out[1], count, result);
  } else {
    launch_adjoint<T>(launch, plan, options, tables, out, count, result);
  }
}

// Of frames of squares, on tensor cores, of which a device has the shared memory.
void backward_of_squares(
    const Launch& launch,
    const std::vector<Tensor>& grads,
    const Tensor& videos,
    const PhaseOptions& options,
    float* result) {
  float* tables = nullptr;
  GradientSquares whole{}, half{};
  const Tensor memory = divide(videos, [&](Pieces& pieces) {
    tables = pieces.take<float>(4 * kAdjointTables);
    whole = take_gradient_squares(pieces, videos, options, kSquare);
    half = take_gradient_squares(pieces, videos, options, kSquare / 2);
  });
  fill_square_tables(launch, square_adjoint_tables, kAdjointTables, tables);
  for_phase_planes<float>(videos, options, videos.size(0), [&](const auto& levels, auto...) {
    launch_gradient_squares(launch, levels, grads, videos, options, whole, half);
  });
  const int64_t count = videos.size(0) * videos.size(1);
  launch_square_adjoint<float>(launch, tables, whole.out, half.out, count, result);
}

template <typename T>
Tensor backward_of(
    const std::vector<Tensor>& grads, const Tensor& frames, const PhaseOptions& options) {
  const Tensor videos = as_batch(frames, 3);
  const Size size = image_size(frames);
  const auto sizes = level_sizes({2 * size.h, 2 * size.w}, options.height);
  std::vector<Tensor> given;
  for (size_t i = 0; i < grads.size(); ++i) {
    const Size whole = sizes[options.levels[i] - 1], plane{whole.h / 2, whole.w / 2};
    check_grad(grads[i], options, videos.size(0), videos.size(1), plane, Dtypes<T>::real);
    given.push_back(dense(grads[i]));
  }
  const Launch launch(frames);
  const Tensor result = empty_like_device(frames, leading(frames, 0), Dtypes<T>::real);
  const CosinePlan plan = cosine_plan<T>(size, sizes, options, launch.shared_limit());
  T* out = result.mutable_data_ptr<T>();
  if constexpr (std::is_same_v<T, float>) {
    if (are_gradient_squares(launch, given, videos, options, plan)) {
      backward_of_squares(launch, given, videos, options, out);
      return result;
    }
  }
  if (plan.pays && adjoint_bytes<T>(plan) <= launch.shared_limit()) {
    backward_by_cosines<T>(launch, given, videos, options, plan, out);
  } else {
    backward_by_fourier<T>(launch, given, videos, options, out);
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
