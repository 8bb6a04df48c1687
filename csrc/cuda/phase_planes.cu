// Planes of every frame (see phase_planes.h). Small frames are transformed by products with cosines
// in shared memory (cosine_planes.cuh) or, where planes may lie in blocks, on tensor cores
// (square_planes.cuh), others by FFT of the mirrored frame.
#include "../common/fft.h"
#include "cosine_launches.cuh"
#include "denoise.cuh"
#include "phase_planes.h"
#include "pyramid.h"
#include "workspace.h"

namespace phasenet::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kSide = 32;
// Frames are transformed in chunks that take at most this much.
constexpr int64_t kChunkBytes = int64_t{512} << 20;

// Half-sample symmetric extension of frames [n, H, W] to [n, 2H, 2W].
template <typename T>
__global__ void mirror(const T* frames, int64_t elements, int h, int w, T* out) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= elements) {
    return;
  }
  const int x = static_cast<int>(i % (2 * w));
  const int y = static_cast<int>(i / (2 * w) % (2 * h));
  const int64_t frame = i / (int64_t{4} * h * w);
  const int from_y = y < h ? y : 2 * h - 1 - y, from_x = x < w ? x : 2 * w - 1 - x;
  out[i] = frames[(frame * h + from_y) * w + from_x];
}

// One tile of one plane: reads the mirrored band around it.
template <typename T>
__global__ void planes_of_bands(
    const Complex<T>* bands, int whole_h, int whole_w, int64_t first, Planes<T> planes) {
  const int across = (planes.w + kSide - 1) / kSide;
  const int64_t plane = blockIdx.x / planes.tiles;
  const int tile = static_cast<int>(blockIdx.x % planes.tiles);
  const PlaneTile at =
      tile_at(tile / across * kSide, tile % across * kSide, kSide, kDenoiseHalo, planes);
  T* shared = shared_memory<T>();
  const int stride = at.region.stride();
  T* weighted = shared + at.region.elements();
  const Complex<T>* source = bands + plane * whole_h * whole_w;
  const int count = at.region.rows * at.region.columns;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += static_cast<int>(blockDim.x)) {
    const int y = i / at.region.columns, x = i % at.region.columns;
    const Complex<T> value = source[int64_t{at.y + y} * whole_w + at.x + x];
    put_phase(
        planes,
        at,
        first * planes.nbands + plane,
        y,
        x,
        value.re,
        value.im,
        shared + y * stride + x,
        weighted + y * stride + x);
  }
  if (planes.denoised != nullptr) {
    denoise(planes, at, first * planes.nbands + plane, tile, shared);
  }
}

// Which phases of a frame wrap from the frame before; a warp makes one word.
template <typename T>
__global__ void find_wraps(Planes<T> planes, int64_t words, int64_t length, bool only_down) {
  const int64_t word = (int64_t{blockIdx.x} * blockDim.x + threadIdx.x) / 32;
  if (word >= words) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x % 32);
  const int64_t row = word / planes.words;
  const int x = (static_cast<int>(word % planes.words) - 1) * 32 + lane;
  const int64_t plane = row / planes.h, frame = plane / planes.nbands;
  bool down = false, up = false;
  if (x >= 0 && x < planes.w && frame % length > 0) {
    const int64_t after = row * planes.w + x;
    const T step =
        planes.phase[after] - planes.phase[after - int64_t{planes.nbands} * planes.h * planes.w];
    down = step > T(kPi);
    up = !only_down && step < -T(kPi);
  }
  const uint32_t downs = __ballot_sync(0xffffffffu, down);
  const uint32_t ups = __ballot_sync(0xffffffffu, up);
  if (lane == 0) {
    planes.down[word] = downs;
    planes.up[word] = ups;
  }
}

// Means of one plane; see Planes::means. The blur being its own adjoint, wraps k add
// sum(k * influence) to the sum of a denoised plane.
template <typename T>
__global__ void find_means(Planes<T> planes, int64_t length, int num_phase) {
  double* scratch = shared_memory<double>();
  const int64_t plane = blockIdx.x;
  const int64_t t = plane / planes.nbands % length;
  const int64_t area = int64_t{planes.h} * planes.w;
  const int words = planes.h * planes.words;
  const T* influence = planes.influence + plane * area;
  double* means = planes.means + plane * (num_phase + 1);
  double total = 0;
  if (threadIdx.x == 0) {
    for (int tile = 0; tile < planes.tiles; ++tile) {
      total += planes.sums[plane * planes.tiles + tile];
    }
    means[0] = total / static_cast<double>(area);
  }
  total = 0;
  for (int i = 1; i <= num_phase && i <= t; ++i) {
    const int64_t first = (plane - int64_t{i - 1} * planes.nbands) * words;
    double sum = 0;
    for (int word = static_cast<int>(threadIdx.x); word < words;
         word += static_cast<int>(blockDim.x)) {
      const uint32_t up = planes.up[first + word];
      const T* row =
          influence + int64_t{word / planes.words} * planes.w + (word % planes.words - 1) * 32;
      for (uint32_t bits = up | planes.down[first + word]; bits != 0; bits &= bits - 1) {
        const int x = __ffs(bits) - 1;
        sum += (up >> x & 1) != 0 ? double(row[x]) : -double(row[x]);
      }
    }
    total += block_sum(sum, scratch) * (2 * kPi) / static_cast<double>(area);
    if (threadIdx.x == 0) {
      means[i] = total;
    }
  }
}

template <typename T>
Planes<T> take_planes(
    Pieces& pieces,
    const PhaseOptions& options,
    int64_t frames,
    Size size,
    int tiles,
    bool whole,
    bool in_blocks) {
  const int64_t planes = frames * options.nbands, words = mask_words(size.w);
  const auto plane = [&](bool wanted) {
    return wanted ? pieces.take<T>(planes * size.area()) : nullptr;
  };
  const auto masks = [&] {
    return whole ? pieces.take<uint32_t>(planes * size.h * words) : nullptr;
  };
  const auto doubles = [&](int64_t each) {
    return whole ? pieces.take<double>(planes * each) : nullptr;
  };
  return {
      plane(true),
      plane(true),
      plane(whole),
      plane(whole),
      plane(whole),
      masks(),
      masks(),
      doubles(tiles),
      doubles(options.num_phase + 1),
      static_cast<int>(size.h),
      static_cast<int>(size.w),
      static_cast<int>(words),
      static_cast<int>(options.nbands),
      tiles,
      in_blocks};
}

// Half spectra of frames `first` ... `first` + n - 1, mirrored.
template <typename T>
Tensor mirrored_spectra(const Launch& launch, const Tensor& frames, int64_t first, int64_t n) {
  const Size frame = image_size(frames);
  const Tensor mirrored = empty_like_device(frames, {n, 2 * frame.h, 2 * frame.w}, Dtypes<T>::real);
  launch(
      mirror<T>,
      blocks_for(mirrored.numel(), kThreads),
      dim3(kThreads),
      0,
      frames.const_data_ptr<T>() + first * frame.area(),
      mirrored.numel(),
      static_cast<int>(frame.h),
      static_cast<int>(frame.w),
      mirrored.template mutable_data_ptr<T>());
  return rfft2(mirrored);
}

// The planes of `count` frames from frame `begin` on.
template <typename T>
void fill_by_fourier(
    const Launch& launch,
    const Tensor& frames,
    int64_t begin,
    int64_t count,
    const PhaseOptions& options,
    const std::vector<Planes<T>>& levels) {
  const Size frame = image_size(frames), image{2 * frame.h, 2 * frame.w};
  // Half spectra; of the finest level the bands' spectra and the bands, complex, and a workspace
  // of their transform as large as they.
  const int64_t bytes = image.area() * static_cast<int64_t>(sizeof(T)) * (1 + 6 * options.nbands);
  const int64_t chunk = std::max<int64_t>(1, kChunkBytes / bytes);
  const auto sizes = level_sizes(image, options.height);
  for (int64_t first = 0; first < count; first += chunk) {
    const int64_t n = std::min(chunk, count - first);
    const Tensor spectra = mirrored_spectra<T>(launch, frames, begin + first, n);
    for (size_t i = 0; i < levels.size(); ++i) {
      const Planes<T>& planes = levels[i];
      const int64_t level = options.levels[i];
      const Size whole = sizes[level - 1];
      const Tensor bands = analytic_bands<T>(spectra, image, options.height, options.nbands, level);
      launch(
          planes_of_bands<T>,
          n * options.nbands * planes.tiles,
          dim3(kThreads),
          denoise_bytes<T>(largest_region(kSide, kDenoiseHalo, planes)),
          static_cast<const Complex<T>*>(bands.const_data_ptr()),
          static_cast<int>(whole.h),
          static_cast<int>(whole.w),
          first,
          planes);
    }
  }
}

// What of the planes is wanted: all, phase and amplitude, or these where small frames' may lie in
// blocks.
enum class Wanted { all, polar, blocks };

// Memory for the planes of `count` frames, and how they are made.
template <typename T>
struct PlaneMaker {
  PlaneMaker(const Tensor& videos, const PhaseOptions& options, int64_t count, Wanted wanted)
      : launch(videos),
        options(options),
        sizes(level_sizes({2 * image_size(videos).h, 2 * image_size(videos).w}, options.height)),
        plan(cosine_plan<T>(image_size(videos), sizes, options, launch.shared_limit())),
        in_blocks(
            std::is_same_v<T, float> && wanted == Wanted::blocks && are_frames_of_squares(plan)),
        frames(reshaped(
            videos,
            {videos.size(0) * videos.size(1), image_size(videos).h, image_size(videos).w})) {
    T* tables = nullptr;
    memory = divide(videos, [&](Pieces& pieces) {
      levels.clear();
      for (const int64_t level : options.levels) {
        const Size size{sizes[level - 1].h / 2, sizes[level - 1].w / 2};
        const int64_t tiles = plan.pays ? 1 : blocks_for(size.h, kSide) * blocks_for(size.w, kSide);
        levels.push_back(
            take_planes<T>(
                pieces,
                options,
                count,
                size,
                static_cast<int>(tiles),
                wanted == Wanted::all,
                in_blocks));
      }
      tables =
          pieces.take<T>(in_blocks ? 4 * kSquareTables : (plan.pays ? plan.table_elements : 0));
    });
    if (in_blocks) {
      fill_square_tables(launch, square_tables, kSquareTables, tables);
      this->tables = tables;
    } else if (plan.pays) {
      fill_tables<T>(launch, options, plan, tables);
      this->tables = tables;
    } else {
      frames = to_real<T>(frames);
    }
  }

  // Of `count` frames from frame `begin` on.
  void fill(int64_t begin, int64_t count) const {
    if (in_blocks) {
      fill_squares(launch, frames, begin, count, tables, levels);
    } else if (plan.pays) {
      fill_by_cosines<T>(launch, frames, begin, count, options, plan, tables, levels);
    } else {
      fill_by_fourier<T>(launch, frames, begin, count, options, levels);
    }
  }

  const Launch launch;
  const PhaseOptions& options;
  const std::vector<Size> sizes;
  const CosinePlan plan;
  const bool in_blocks;
  Tensor frames, memory;
  std::vector<Planes<T>> levels;
  const T* tables = nullptr;
};

}  // namespace

template <typename T>
void for_phase_planes(
    const Tensor& videos,
    const PhaseOptions& options,
    int64_t at_once,
    const std::function<void(const std::vector<Planes<T>>&, int64_t, int64_t)>& use) {
  const int64_t count = videos.size(0), length = videos.size(1);
  at_once = std::min(at_once, count);
  const PlaneMaker<T> maker(videos, options, at_once * length, Wanted::blocks);
  for (int64_t first = 0; first < count; first += at_once) {
    const int64_t n = std::min(at_once, count - first);
    maker.fill(first * length, n * length);
    use(maker.levels, first, n);
  }
}

template <typename T>
PhasePlanes<T> phase_planes(const Tensor& videos, const PhaseOptions& options, bool whole) {
  const int64_t length = videos.size(1), count = videos.size(0) * length;
  PlaneMaker<T> maker(videos, options, count, whole ? Wanted::all : Wanted::polar);
  maker.fill(0, count);
  const Launch& launch = maker.launch;
  for (const Planes<T>& planes : maker.levels) {
    if (!whole) {
      break;
    }
    const int64_t words = count * planes.nbands * planes.h * planes.words;
    launch(
        find_wraps<T>,
        blocks_for(words * 32, kThreads),
        dim3(kThreads),
        0,
        planes,
        words,
        length,
        options.only_down);
    launch(
        find_means<T>,
        count * planes.nbands,
        dim3(128),
        33 * sizeof(double),
        planes,
        length,
        static_cast<int>(options.num_phase));
  }
  return {std::move(maker.levels), maker.memory};
}

template void for_phase_planes(
    const Tensor&,
    const PhaseOptions&,
    int64_t,
    const std::function<void(const std::vector<Planes<float>>&, int64_t, int64_t)>&);
template PhasePlanes<float> phase_planes(const Tensor&, const PhaseOptions&, bool);
template PhasePlanes<double> phase_planes(const Tensor&, const PhaseOptions&, bool);

}  // namespace phasenet::cuda
