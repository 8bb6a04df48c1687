// What is launched for a pyramid by our own transforms. The images' half spectra are kept; planes
// between transforms along the two axes are made for as many images at once as the device's L2
// holds, and are then in its cache when they are read.
#include "fft_passes.h"
#include "fft_pyramid.h"
#include "workspace.h"

namespace phasenet::cuda {
namespace {

constexpr int64_t kLeastSide = 8, kMostSide = 1024;

bool is_power_of_two(int64_t n) {
  return (n & (n - 1)) == 0;
}

// Residuals and levels from the highpass on: what is filtered together.
struct Part {
  Mask mask;
  Size size;
  int64_t octave;  // of the mask
  bool is_real;    // half spectra suffice
  Plateau plateau;
};

class Plan {
 public:
  // `like`: images, with any leading dimensions. `own`: transforms are normalised by their own
  // size, and bands are analytic unless there is one for all directions.
  Plan(const Tensor& like, int64_t height, int64_t nbands, Octave octave, bool own)
      : launch_(like),
        image_(image_size(like)),
        count_(product(leading(like, 2))),
        nbands_(nbands),
        own_(own),
        analytic_(own && nbands > 1) {
    const std::vector<Size> sizes = level_sizes(image_, height, octave.count);
    const NarrowMasks<float> masks(octave);
    const auto plateau = [&](float low, float high) {
      return is_narrow(octave) ? Plateau{low, high, masks.inverse_width} : Plateau{};
    };
    const float far = kFar;
    parts_.push_back({Mask::highpass, image_, 0, true, plateau(0, far)});
    for (int64_t i = 0; i + 1 < static_cast<int64_t>(sizes.size()); ++i) {
      const auto scale = static_cast<int>(i % octave.count);
      const Plateau at = plateau(masks.low(scale), masks.high(scale));
      parts_.push_back({Mask::band, sizes[i], i / octave.count + 1, !analytic_, at});
    }
    parts_.push_back({Mask::lowpass, sizes.back(), height - 2, true, plateau(-far, -masks.width)});
    memory_ = divide(like, [this](Pieces& pieces) {
      spectra_ = pieces.take<Complex<float>>(count_ * pitch(image_, true) * image_.h);
      int64_t most = 0;
      for (const Part& part : parts_) {
        most = std::max(most, std::min(at_once(part), planes(part)) * plane(part));
      }
      planes_ = pieces.take<Complex<float>>(most);
    });
  }

  void analyze(const float* images, const std::vector<Tensor>& to) const {
    transform_images(images);
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (to[i].numel() == 0) {
        continue;  // not wanted
      }
      in_pieces(parts_[i], [&](int64_t image, int64_t images, int64_t band, int64_t bands) {
        Columns columns = filter(parts_[i], image, images, band, bands);
        columns.scale = analysis_scale(parts_[i]);
        analyze_columns(launch_, columns);
        rows(parts_[i], to[i], columns, image, band, [this](const auto& p) {
          restore_rows(launch_, p);
        });
      });
    }
  }

  void synthesize(
      const std::vector<Tensor>& from, const std::vector<bool>& wanted, float* images) const {
    for (size_t i = 0; i < parts_.size(); ++i) {
      if (!wanted[i]) {
        continue;
      }
      in_pieces(parts_[i], [&](int64_t image, int64_t images, int64_t band, int64_t bands) {
        Columns columns = filter(parts_[i], image, images, band, bands);
        rows(parts_[i], from[i], columns, image, band, [this](const auto& p) {
          transform_rows(launch_, p);
        });
        columns.scale = synthesis_scale(parts_[i]);
        columns.add = parts_[i].mask != Mask::highpass;
        synthesize_columns(launch_, columns);
      });
    }
    restore_images(images);
  }

 private:
  static int64_t pitch(Size size, bool is_real) {
    return is_real ? half_pitch(size.w) : size.w;
  }

  int64_t bands(const Part& part) const {
    return part.mask == Mask::band ? nbands_ : 1;
  }

  // Values of one band's plane, and how many planes there are.
  int64_t plane(const Part& part) const {
    return pitch(part.size, part.is_real) * part.size.h;
  }
  int64_t planes(const Part& part) const {
    return count_ * bands(part);
  }

  // Planes that, with the values they are made from or give, take two thirds of the L2; the rest is
  // for spectra.
  int64_t at_once(const Part& part) const {
    const int64_t values = part.size.area() * (part.mask == Mask::band ? 8 : 4);
    const int64_t bytes = 8 * plane(part) + values;
    return std::max<int64_t>(launch_.l2_bytes() / 3 * 2 / bytes, 1);
  }

  // Calls run(first image, images, first band, bands) for pieces of about equal size.
  template <typename Run>
  void in_pieces(const Part& part, const Run& run) const {
    const int64_t fit = at_once(part), nbands = bands(part);
    const int64_t images = std::max<int64_t>(fit / nbands, 1), few = std::min(fit, nbands);
    const int64_t image_step = blocks_for(count_, std::max<int64_t>(blocks_for(count_, images), 1));
    const int64_t band_step = blocks_for(nbands, blocks_for(nbands, few));
    for (int64_t image = 0; image < count_; image += image_step) {
      for (int64_t band = 0; band < nbands; band += band_step) {
        run(image, std::min(image_step, count_ - image), band, std::min(band_step, nbands - band));
      }
    }
  }

  Complex<float>* spectrum(int64_t image) const {
    return spectra_ + image * image_.h * half_pitch(image_.w);
  }

  Columns filter(
      const Part& part, int64_t image, int64_t images, int64_t first, int64_t count) const {
    Columns p{};
    p.spectra = spectrum(image);
    p.planes = planes_;
    p.images = static_cast<int>(images);
    p.image_h = static_cast<int>(image_.h);
    p.image_w = static_cast<int>(image_.w);
    p.h = static_cast<int>(part.size.h);
    p.w = static_cast<int>(part.size.w);
    p.mask = part.mask;
    p.plateau = part.plateau;
    const auto octaves = static_cast<float>(std::pow(2.0, static_cast<double>(part.octave)));
    p.steps = steps<float>(image_);
    p.steps = {p.steps.y * octaves, p.steps.x * octaves};
    p.one_sided = !part.is_real;
    p.least = part.is_real ? -INFINITY : 0.0f;
    p.count = static_cast<int>(count);
    p.groups = 1;
    const int half = p.w / 2;
    if (part.mask != Mask::band) {
      p.limits[0][0] = half + 1;
      return p;
    }
    p.order = static_cast<int>(nbands_ - 1);
    const Directions<float> angles = directions<float>(nbands_);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t band = first + i;
      p.cosine[i] = angles.cosine[band];
      p.sine[i] = angles.sine[band];
      p.limits[i][0] = half;
      if (part.is_real) {
        continue;
      }
      // Within the radius of the Nyquist frequency, directions less than a right angle from the
      // band's, or more, end at the sine of its angle along x.
      const double angle = kPi * static_cast<double>(band) / static_cast<double>(nbands_);
      const double end = std::ceil(std::sin(angle) * half + 1e-6 * half);
      const int weak = band == 0 ? 0 : std::min(half, static_cast<int>(end));
      p.limits[i][0] = 2 * band > nbands_ ? weak : half;
      p.limits[i][1] = 2 * band > nbands_ ? half : weak;
    }
    return p;
  }

  // A part's values between image `image`, band `band` and the planes of `columns`.
  template <typename Run>
  void rows(
      const Part& part,
      const Tensor& values,
      const Columns& columns,
      int64_t image,
      int64_t band,
      const Run& run) const {
    const int64_t first = (image * bands(part) + band) * part.size.area();
    const int count = columns.images * columns.count * columns.h;
    // What is read is not written to, and results are given to be written to.
    void* const data = const_cast<void*>(values.const_data_ptr());
    auto* const complex = static_cast<Complex<float>*>(data) + first;
    if (part.is_real) {
      const bool is_band = part.mask == Mask::band;
      auto* const real = is_band ? &complex->re : static_cast<float*>(data) + first;
      run(RealRows{real, planes_, count, columns.w, is_band});
      return;
    }
    const int h_log2 = static_cast<int>(std::log2(columns.h));
    BandRows p{complex, planes_, count, h_log2, columns.w, columns.count, {}};
    std::copy_n(&columns.limits[0][0], 2 * kMostBands, &p.limits[0][0]);
    run(p);
  }

  // The images' own rows and columns, some images at a time.
  template <typename Run>
  void in_place(const Run& run) const {
    const Part whole{Mask::none, image_, 0, true, {}};
    in_pieces(whole, [&](int64_t image, int64_t images, int64_t, int64_t) {
      Columns columns = filter(whole, image, images, 0, 1);
      columns.planes = columns.spectra;
      run(image * image_.area(), columns);
    });
  }

  void transform_images(const float* images) const {
    in_place([&](int64_t first, Columns columns) {
      const int count = columns.images * columns.h;
      // Not written to.
      auto* const real = const_cast<float*>(images) + first;
      transform_rows(launch_, RealRows{real, columns.planes, count, columns.w, false});
      columns.scale = {0.5f, 0.0f};
      synthesize_columns(launch_, columns);
    });
  }

  void restore_images(float* images) const {
    in_place([&](int64_t first, Columns columns) {
      columns.scale = {1.0f, 0.0f};
      analyze_columns(launch_, columns);
      const int count = columns.images * columns.h;
      restore_rows(launch_, RealRows{images + first, columns.planes, count, columns.w, false});
    });
  }

  static Complex<float> scaled(Complex<float> phase, double by) {
    const auto factor = static_cast<float>(by);
    return {phase.re * factor, phase.im * factor};
  }

  // Every transform's normalisation is in the filters.
  Complex<float> analysis_scale(const Part& part) const {
    const double norm = 1.0 / static_cast<double>((own_ ? part.size : image_).area());
    if (part.mask != Mask::band) {
      return scaled({1, 0}, norm);
    }
    return scaled(
        analysis_phase<float>(nbands_), (analytic_ ? 2 : 1) * angular_scale(nbands_) * norm);
  }

  Complex<float> synthesis_scale(const Part& part) const {
    const double norm =
        1.0 / static_cast<double>((own_ ? part.size : image_).area()) * (part.is_real ? 0.5 : 1.0);
    if (part.mask != Mask::band) {
      return scaled({1, 0}, norm);
    }
    const Complex<float> phase = analysis_phase<float>(nbands_);
    return scaled({phase.re, -phase.im}, angular_scale(nbands_) * norm);
  }

  Launch launch_;
  Size image_;
  int64_t count_, nbands_;
  bool own_, analytic_;
  std::vector<Part> parts_;
  Tensor memory_;
  Complex<float>* spectra_ = nullptr;
  Complex<float>* planes_ = nullptr;
};

}  // namespace

bool has_own_transforms(const Tensor& like, Size image) {
  for (const int64_t side : {image.h, image.w}) {
    if (side < kLeastSide || side > kMostSide || !is_power_of_two(side)) {
      return false;
    }
  }
  return most_shared_bytes(image) <= Launch(like).shared_limit();
}

void analyze_by_fft(
    const Tensor& images,
    int64_t height,
    int64_t nbands,
    Octave octave,
    bool analytic,
    const std::vector<Tensor>& parts) {
  const Plan plan(images, height, nbands, octave, analytic);
  plan.analyze(images.const_data_ptr<float>(), parts);
}

void synthesize_by_fft(
    const Coefficients& parts, int64_t nbands, bool analytic, const Tensor& images) {
  const Plan plan(images, parts.height(), nbands, parts.octave, analytic);
  const auto wanted = parts.wanted("phasenet::pyramid_inverse");
  std::vector<Tensor> from{dense(parts.highpass)};
  for (const Tensor& bands : parts.bands) {
    from.push_back(wanted[from.size()] ? dense(bands) : bands);
  }
  from.push_back(wanted.back() ? dense(parts.lowpass) : parts.lowpass);
  plan.synthesize(from, wanted, images.mutable_data_ptr<float>());
}

}  // namespace phasenet::cuda
