// Fourier transforms along the columns of planes, with the pyramid's filters between them and the
// spectra of images. A block takes some neighbouring columns of one image and all its bands, so
// that each frequency is read once and a filter's radial part is computed once.
//
// With c(k) the cosine of the angle to a band, an analytic band has 2 c(k)^n of an image's spectrum
// where c(k) > 0. At -k, of which a real image's spectrum is the conjugate, that is
// (-1)^n 2 c(k)^n where c(k) < 0; so column -k of a band's plane is the conjugate of the transform
// of min(c, 0)^n times what max(c, 0)^n is multiplied with for column k, since i^n and its
// conjugate differ by (-1)^n. The adjoint reads the planes in the same way.
#include "fft.cuh"
#include "fft_passes.h"

namespace phasenet::cuda {
namespace {

// Neighbouring columns of a block: at least a sector of memory. Where there are few blocks, those
// that make bands share them; those that sum bands up cannot, and take fewer columns, a warp's at
// least.
template <int kSize>
constexpr int kAnalyzed = kSize <= 16 ? 32 : (kSize <= 128 ? 16 : (kSize <= 256 ? 8 : 4));
template <int kSize>
constexpr int kSummed = kSize <= 64 ? 32 / FftShape<kSize>::kThreads : (kSize <= 256 ? 8 : 4);

template <int kSize, int kColumns>
constexpr int kColumnThreads = kColumns * FftShape<kSize>::kThreads;

// Blocks a multiprocessor holds at once; told so, the compiler does not spill for more of them.
template <int kSize, int kColumns>
constexpr int kColumnBlocks = 512 / kColumnThreads<kSize, kColumns>;

template <int kSize, int kColumns>
constexpr int64_t kColumnBytes = Exchange<kSize, kColumns>::bytes(kColumns);

// A block's columns begin at `first`; this thread's is `x` of image `image`. The last blocks take
// the Nyquist frequency of several images each: for one column an image's own would stand idle.
template <int kSize, int kColumns>
struct Place {
  int column = static_cast<int>(threadIdx.x) % kColumns;
  int thread = static_cast<int>(threadIdx.x) / kColumns;
  int pitch, image_pitch, group, first, x, image;
  bool exists;

  __device__ explicit Place(const Columns& p) {
    const int half = p.w / 2;
    pitch = p.one_sided ? p.w : p.w / 2 + 4;
    image_pitch = p.image_w / 2 + 4;
    const int across = (half + kColumns - 1) / kColumns;
    group = static_cast<int>(blockIdx.x) % p.groups;
    const int block = static_cast<int>(blockIdx.x) / p.groups;
    image = block / across;
    first = block % across * kColumns;
    x = first + column;
    exists = x < half;
    if (image >= p.images) {
      image = (block - p.images * across) * kColumns + column;
      first = x = half;
      exists = image < p.images;
    }
  }

  // Where the image's spectrum has row `thread`, and where it has the opposite half of rows.
  __device__ Value* spectrum(const Columns& p, bool is_lower) const {
    const int64_t row = int64_t{image} * p.image_h + thread + (is_lower ? 0 : p.image_h - p.h);
    return p.spectra + row * image_pitch + x;
  }

  // This thread's values in the first band's plane, from row `thread` on.
  __device__ Value* plane(const Columns& p) const {
    return p.planes + (int64_t{image} * p.count * kSize + thread) * pitch + x;
  }

  // From there to another band's plane, and to the opposite columns.
  __device__ int64_t offset(const Columns& p, int band, bool opposite) const {
    return int64_t{band} * (kSize * pitch) + (opposite ? p.w / 2 : 0);
  }
};

// The filters at a thread's frequencies.
template <int kSize>
class Filters {
  using Shape = FftShape<kSize>;

 public:
  __device__ Filters(const Columns& p, int x, int thread)
      : f_x_(static_cast<float>(x) * p.steps.x),
        f_y_(static_cast<float>(thread) * p.steps.y),
        step_(static_cast<float>(Shape::kThreads) * p.steps.y) {
  }

  // What all bands have in common; with it the powers of cosines are those of projections.
  __device__ __forceinline__ void radial(const Columns& p, float (&weights)[Shape::kEach]) const {
    if (p.plateau.inverse_width > 0.0f) {
      const Plateau at = p.plateau;
      for_radii(weights, [at](float radius2) {
        return plateau_mask(radius2, at.low, at.high, at.inverse_width);
      });
      return divide_by_powers(p.mask == Mask::band ? p.order : 0, weights);
    }
    switch (p.mask) {
      case Mask::band:
        return radial_of_bands(p.order, weights);
      case Mask::highpass:
        return for_radii(weights, highpass_mask<float>);
      case Mask::lowpass:
        return for_radii(weights, lowpass_mask<float>);
      default:
        return for_radii(weights, [](float) { return 1.0f; });
    }
  }

  // Powers of the projections on a band's direction. Of analytic bands they have the projections'
  // signs, of others those that the powers have.
  __device__ __forceinline__ void angular(
      const Columns& p, int band, float (&powers)[Shape::kEach]) const {
    if (p.order == 0) {
#pragma unroll
      for (int i = 0; i < Shape::kEach; ++i) {
        powers[i] = 1.0f;
      }
      return;
    }
    const float first = f_x_ * p.cosine[band] + f_y_ * p.sine[band], step = step_ * p.sine[band];
    float projections[Shape::kEach];
#pragma unroll
    for (int i = 0; i < Shape::kEach; ++i) {
      projections[i] = first + step * signed_index(i);
      powers[i] = projections[i];
    }
    if (p.order == 3) {
#pragma unroll
      for (int i = 0; i < Shape::kEach; ++i) {
        powers[i] *= projections[i] * projections[i];
      }
      return;
    }
#pragma unroll 1
    for (int n = 1; n < p.order; ++n) {
#pragma unroll
      for (int i = 0; i < Shape::kEach; ++i) {
        powers[i] *= p.one_sided ? fabsf(projections[i]) : projections[i];
      }
    }
  }

 private:
  static __device__ __forceinline__ float signed_index(int i) {
    return static_cast<float>(i < Shape::kEach / 2 ? i : i - Shape::kEach);
  }

  template <typename MaskOf>
  __device__ __forceinline__ void for_radii(
      float (&weights)[Shape::kEach], const MaskOf& mask) const {
#pragma unroll
    for (int i = 0; i < Shape::kEach; ++i) {
      weights[i] = mask(square(f_x_) + square(f_y_ + step_ * signed_index(i)));
    }
  }

  __device__ __forceinline__ void radial_of_bands(int order, float (&weights)[Shape::kEach]) const {
    for_radii(weights, [](float radius2) {  // as band_mask(), without a branch
      const float value = bump(radius2);
      return radius2 > 0.25f && radius2 < 4.0f ? value : 0.0f;
    });
    divide_by_powers(order, weights);
  }

  // By the radius to the power of `order`.
  __device__ __forceinline__ void divide_by_powers(
      int order, float (&weights)[Shape::kEach]) const {
    float inverse[Shape::kEach];
    for_radii(inverse, [](float radius2) { return inverse_root(radius2); });
#pragma unroll
    for (int i = 0; i < Shape::kEach; ++i) {
      inverse[i] = weights[i] > 0.0f ? inverse[i] : 0.0f;
    }
#pragma unroll 1
    for (int n = 0; n < order; ++n) {
#pragma unroll
      for (int i = 0; i < Shape::kEach; ++i) {
        weights[i] *= inverse[i];
      }
    }
  }

  float f_x_, f_y_, step_;
};

// The filters' angular parts in one half of an analytic band, or the whole of others: powers of
// projections that are positive, or if `opposite` negative.
template <bool opposite, int kEach>
__device__ __forceinline__ void take_half(
    const Columns& p, const float (&powers)[kEach], float (&weights)[kEach]) {
  if (opposite && p.order % 2 == 0) {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      weights[i] = fmaxf(-powers[i], 0.0f);
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    weights[i] = opposite ? fminf(powers[i], 0.0f) : fmaxf(powers[i], p.least);
  }
}

template <int kSize, int kColumns>
__global__ void __launch_bounds__(kColumnThreads<kSize, kColumns>, kColumnBlocks<kSize, kColumns>)
    analyze(Columns p) {
  using Shape = FftShape<kSize>;
  constexpr int kEach = Shape::kEach, kThreads = Shape::kThreads;
  const Place<kSize, kColumns> at(p);
  const Filters<kSize> filters(p, at.x, at.thread);
  Exchange<kSize, kColumns> exchange(kColumns, at.column, at.thread);
  const Fft<kSize> fft(at.thread);
  Value spectrum[kEach] = {};
  if (at.exists) {
    const Value* lower = at.spectrum(p, true);
    const Value* upper = at.spectrum(p, false);
    float weights[kEach];
    filters.radial(p, weights);
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int row = i * kThreads * at.image_pitch;
      const Value value = i < kEach / 2 ? lower[row] : upper[row];
      spectrum[i] = value * p.scale * weights[i];
    }
  }
  Value* const plane = at.plane(p);
  const auto side = [&](int band, const auto& powers, auto opposite) {
    constexpr bool kOpposite = decltype(opposite)::value;
    if (at.first >= p.limits[band][kOpposite]) {
      return;
    }
    float weights[kEach];
    take_half<kOpposite>(p, powers, weights);
    Value v[kEach];
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      v[i] = swapped(spectrum[i] * weights[i]);
    }
    fft(v, exchange);
    if (at.exists) {
      Value* to = plane + at.offset(p, band, kOpposite);
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        to[i * kThreads * at.pitch] = swapped(v[i]);
      }
    }
  };
  const int share = (p.count + p.groups - 1) / p.groups;
  const int end = (at.group + 1) * share, last = end < p.count ? end : p.count;
  for (int band = at.group * share; band < last; ++band) {
    float powers[kEach];
    filters.angular(p, band, powers);
    side(band, powers, std::false_type());
    side(band, powers, std::true_type());
  }
}

template <int kSize, int kColumns>
__global__ void __launch_bounds__(kColumnThreads<kSize, kColumns>, kColumnBlocks<kSize, kColumns>)
    synthesize(Columns p) {
  using Shape = FftShape<kSize>;
  constexpr int kEach = Shape::kEach, kThreads = Shape::kThreads;
  const Place<kSize, kColumns> at(p);
  const Filters<kSize> filters(p, at.x, at.thread);
  Exchange<kSize, kColumns> exchange(kColumns, at.column, at.thread);
  const Fft<kSize> fft(at.thread);
  Value sum[kEach] = {};
  const Value* const plane = at.plane(p);
  const auto side = [&](int band, const auto& powers, auto opposite) {
    constexpr bool kOpposite = decltype(opposite)::value;
    if (at.first >= p.limits[band][kOpposite]) {
      return;
    }
    Value v[kEach] = {};
    if (at.exists && at.x < p.limits[band][kOpposite]) {
      // Column 0 is its own opposite.
      const bool is_mirrored = kOpposite && at.x == 0;
      const Value* from = plane + at.offset(p, band, kOpposite && at.x > 0);
#pragma unroll
      for (int i = 0; i < kEach; ++i) {
        const Value value = from[i * kThreads * at.pitch];
        v[i] = is_mirrored ? conjugate(value) : value;
      }
    }
    fft(v, exchange);
    float weights[kEach];
    take_half<kOpposite>(p, powers, weights);
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      sum[i] = sum[i] + v[i] * weights[i];
    }
  };
  for (int band = 0; band < p.count; ++band) {
    float powers[kEach];
    filters.angular(p, band, powers);
    side(band, powers, std::false_type());
    side(band, powers, std::true_type());
  }
  if (!at.exists) {
    return;
  }
  Value* lower = at.spectrum(p, true);
  Value* upper = at.spectrum(p, false);
  float weights[kEach];
  filters.radial(p, weights);
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    Value* to = (i < kEach / 2 ? lower : upper) + i * kThreads * at.image_pitch;
    const Value value = sum[i] * p.scale * weights[i];
    *to = p.add ? *to + value : value;
  }
}

template <int kColumns>
int64_t column_blocks(const Columns& p) {
  return p.images * blocks_for(p.w / 2, kColumns) +
         (p.mask == Mask::band ? 0 : blocks_for(p.images, kColumns));
}

}  // namespace

void analyze_columns(const Launch& launch, Columns p) {
  with_fft_size(p.h, [&](auto size) {
    constexpr int kSize = decltype(size)::value, kColumns = kAnalyzed<kSize>;
    const int64_t blocks = column_blocks<kColumns>(p);
    const int64_t idle = launch.multiprocessors() / std::max<int64_t>(blocks, 1);
    p.groups = static_cast<int>(std::clamp<int64_t>(idle, 1, p.count));
    launch(
        analyze<kSize, kColumns>,
        blocks * p.groups,
        dim3(kColumnThreads<kSize, kColumns>),
        kColumnBytes<kSize, kColumns>,
        p);
  });
}

void synthesize_columns(const Launch& launch, const Columns& p) {
  with_fft_size(p.h, [&](auto size) {
    constexpr int kSize = decltype(size)::value, kColumns = kSummed<kSize>;
    launch(
        synthesize<kSize, kColumns>,
        column_blocks<kColumns>(p),
        dim3(kColumnThreads<kSize, kColumns>),
        kColumnBytes<kSize, kColumns>,
        p);
  });
}

int64_t most_shared_bytes(Size size) {
  int64_t columns = 0;
  with_fft_size(size.h, [&](auto h) {
    constexpr int kSize = decltype(h)::value;  // what sums bands up takes no more
    columns = kColumnBytes<kSize, kAnalyzed<kSize>>;
  });
  return std::max<int64_t>(columns, Exchange<kMostFft, 1>::bytes(1));
}

}  // namespace phasenet::cuda
