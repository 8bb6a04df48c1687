// Phase differences of every window of a video (Deng et al., AAAI 2020). What depends on one frame
// is computed once; a window only adds the turns its own unwrapping needs.
//
// With B the blur, a the amplitude and K the turns since the start of the video, the window that
// starts at frame s sees at frame t the denoised phase D(t) + F(t, s) / B(a(t)) with the field
// F(t, s) = 2 pi B(a(t) (K(t) - K(s))). For a fixed t the fields of all windows follow from each
// other, from s = t down: F(t, t) = 0 and F(t, s) = F(t, s + 1) + 2 pi B(a(t) (K(s + 1) - K(s))),
// where only the few phases that jump between s and s + 1 count.
#include <algorithm>
#include <cstring>
#include <optional>

#include "convert.h"
#include "phase_planes.h"

namespace phasenet {
namespace {

// Frames are worked on in blocks whose planes take about this much and stay in the cache.
constexpr int64_t kBlockBytes = int64_t{3} << 20;

// One thread's work on one band of one level: all windows' differences, frame after frame.
template <typename T>
class BandWindows {
 public:
  BandWindows(
      const LevelPlanes<T>& planes, const PhaseOptions& options, int64_t length, const Tensor& out)
      : planes_(planes),
        options_(options),
        length_(length),
        windows_(options.windows(length)),
        field_size_(kernels<T>().field_elements(planes.size.h, planes.size.w)),
        kept_size_(kernels<T>().kept_elements(planes.size.h, planes.size.w)),
        out_(static_cast<char*>(out.mutable_data_ptr())),
        out_size_(static_cast<int64_t>(out.element_size())),
        convert_(conversion<T>(out.scalar_type())),
        field_(field_size_),
        scratch_(field_size_ + planes.size.area() + kPlaneSlack),
        plain_(planes.size.area() + kPlaneSlack),
        computed_(convert_ == nullptr ? 0 : planes.size.area() + kPlaneSlack),
        kept_(kept_size_ * (options.num_phase + 1)),
        has_kept_(options.num_phase + 1) {
  }

  // Differences of frames first ... last - 1 from those before them, in every window that has them.
  void run(int64_t band, int64_t first, int64_t last) {
    for (int64_t frame = first; frame < last; ++frame) {
      const int64_t video = frame / length_, t = frame % length_;
      if (frame == first && t > 1) {
        keep_turns(frame - 1, t - 1, band);
      }
      if (t > 0) {
        add_frame(video, t, band);
      }
      if (t == 0 || t == length_ - 1) {
        fill_repeated(video, t, band);
      }
    }
  }

 private:
  void* window_plane(int64_t video, int64_t window, int64_t band, int64_t i) const {
    const int64_t plane =
        ((video * windows_ + window) * options_.nbands + band) * options_.num_phase + i;
    return out_ + plane * plane_bytes();
  }

  int64_t plane_bytes() const {
    return planes_.size.area() * out_size_;
  }

  T* kept(int64_t start) const {
    return kept_.data() + start % (options_.num_phase + 1) * kept_size_;
  }

  // Calls visit(start, field) for the windows' starts that frame t is not the first frame of, the
  // nearest first. The field is null while no phase has jumped since.
  template <typename Visit>
  void for_fields(int64_t frame, int64_t t, int64_t band, const Visit& visit) {
    const auto& kernel = kernels<T>();
    const Size size = planes_.size;
    const T* amplitude = planes_.plane(planes_.amplitude, frame, band);
    bool any = false;
    for (int64_t i = 1; i <= std::min(options_.num_phase, t); ++i) {
      const auto jumps = planes_.jumps(frame - i + 1, band);
      if (jumps.count > 0) {
        if (!any) {
          std::memset(field_.data(), 0, sizeof(T) * field_size_);
          any = true;
        }
        kernel.add_turns(
            jumps.cells, jumps.count, amplitude, size.h, size.w, field_.data(), scratch_.data());
      }
      visit(t - i, any ? field_.data() : nullptr);
    }
  }

  // What the difference of the next frame needs to know of this one.
  void keep_turns(int64_t frame, int64_t t, int64_t band) {
    for_fields(frame, t, band, [&](int64_t start, const T* field) {
      has_kept_[start % (options_.num_phase + 1)] = field != nullptr;
      if (field != nullptr) {
        kernels<T>().keep_turns(
            field,
            planes_.plane(planes_.inverse, frame, band),
            planes_.size.h,
            planes_.size.w,
            kept(start));
      }
    });
  }

  void add_frame(int64_t video, int64_t t, int64_t band) {
    const auto& kernel = kernels<T>();
    const Size size = planes_.size;
    const int64_t frame = video * length_ + t;
    kernel.subtract(
        planes_.plane(planes_.denoised, frame, band),
        planes_.plane(planes_.denoised, frame - 1, band),
        size.area(),
        plain_.data());
    for_fields(frame, t, band, [&](int64_t start, const T* field) {
      // Windows that start here, by their number; the first frame of a video starts several where
      // it is repeated before the video.
      const int64_t shift = options_.replicate ? options_.num_phase / 2 : 0;
      const int64_t last = start + shift;
      const int64_t first =
          start == 0 ? std::max<int64_t>(0, t + shift - options_.num_phase) : last;
      const auto slot = static_cast<size_t>(start % (options_.num_phase + 1));
      const void* done = nullptr;
      for (int64_t window = first; window <= std::min(last, windows_ - 1); ++window) {
        void* out = window_plane(video, window, band, t - window + shift - 1);
        if (done == nullptr) {
          const WindowStep<T> step{
              plain_.data(),
              field,
              planes_.plane(planes_.inverse, frame, band),
              start < t - 1 && has_kept_[slot] != 0};
          T* plane = convert_ == nullptr ? static_cast<T*>(out) : computed_.data();
          kernel.difference(step, size.h, size.w, kept(start), plane, scratch_.data());
          if (convert_ != nullptr) {
            convert_(plane, size.area(), out);
          }
          has_kept_[slot] = field != nullptr;
          done = out;
        } else {
          std::memcpy(out, done, plane_bytes());
        }
      }
    });
  }

  // Zeros where a window repeats the first or the last frame of a video.
  void fill_repeated(int64_t video, int64_t t, int64_t band) {
    for (int64_t window = 0; options_.replicate && window < windows_; ++window) {
      for (int64_t i = 1; i <= options_.num_phase; ++i) {
        const int64_t from = options_.frame(window, i - 1, length_);
        if (from == t && from == options_.frame(window, i, length_)) {
          std::memset(window_plane(video, window, band, i - 1), 0, plane_bytes());
        }
      }
    }
  }

  const LevelPlanes<T>& planes_;
  const PhaseOptions& options_;
  int64_t length_, windows_, field_size_, kept_size_;
  char* out_;
  int64_t out_size_;    // bytes of an element
  Convert<T> convert_;  // null where planes are written in the dtype they are computed in
  Scratch<T> field_, scratch_, plain_, computed_;
  Scratch<T> kept_;  // turns of the frame before, by the windows' starts
  std::vector<char> has_kept_;
};

template <typename T>
std::vector<Tensor> windows_of(
    const Tensor& frames, const PhaseOptions& options, ScalarType dtype) {
  const Tensor videos = as_batch(frames, 3);
  const int64_t length = videos.size(1), count = videos.size(0) * length;
  const int64_t nbands = options.nbands, windows = options.windows(length);
  const int64_t per_frame = phase_frame_bytes<T>(image_size(videos), options);
  const int64_t least = 4 * static_cast<int64_t>(torch::stable::get_num_threads());
  const int64_t block = std::min(std::max(kBlockBytes / per_frame, least), count);
  PhasePlanes<T> planes(videos, options, block + options.num_phase + 1);
  std::vector<Tensor> result;
  for (const LevelPlanes<T>& level : planes.levels()) {
    const Size size = level.size;
    result.push_back(
        empty_cpu({videos.size(0), windows, nbands * options.num_phase, size.h, size.w}, dtype));
  }
  for (int64_t first = 0; first < count; first += block) {
    const int64_t last = std::min(first + block, count), frames_here = last - first;
    planes.fill(first, last);
    torch::stable::parallel_for(0, nbands * frames_here, 1, [&](int64_t begin, int64_t end) {
      for (size_t i = 0; i < result.size(); ++i) {
        BandWindows<T> band_windows(planes.levels()[i], options, length, result[i]);
        for (int64_t band = begin / frames_here; band * frames_here < end; ++band) {
          const int64_t offset = first - band * frames_here;
          band_windows.run(band, std::max(begin + offset, first), std::min(end + offset, last));
        }
      }
    });
  }
  for (Tensor& level : result) {
    level = with_batch(level, leading(frames, 3));
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
    std::string boundary,
    std::optional<ScalarType> dtype) {
  const PhaseOptions options =
      phase_options(frames, num_phase, height, nbands, std::move(levels), unwrap, boundary);
  return with_compute_dtype("frames", frames.scalar_type(), [&](auto zero) {
    using T = decltype(zero);
    return windows_of<T>(frames, options, dtype.value_or(Dtypes<T>::real));
  });
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl("phase_difference_windows", TORCH_BOX(&phasenet::phase_difference_windows));
}
