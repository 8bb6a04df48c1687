// Windows' phase differences from frames' planes.
//
// With B the blur, a the amplitude and K the phase wraps since the start of the video, the window
// that starts at frame s sees at frame t the denoised phase D(t) + F(t, s) / B(a(t)) with the field
// F(t, s) = 2 pi B(a(t) (K(t) - K(s))). For a fixed t the fields of all windows follow from each
// other, from s = t down: F(t, t) = 0 and F(t, s) = F(t, s + 1) + 2 pi B(a(t) (K(s + 1) - K(s))),
// where only the few phases that wrap between s and s + 1 count.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "convert.h"
#include "phase_planes.h"

namespace phasenet {

// One thread's work on one band of one level: all windows' differences, frame after frame.
template <typename T>
class BandWindows {
 public:
  // Videos have `length` frames. `out` is [videos, slots, nbands * num_phase, h, w]; a window lies
  // in the slot of its number modulo `slots`.
  BandWindows(
      const LevelPlanes<T>& planes,
      const PhaseOptions& options,
      int64_t length,
      int64_t slots,
      const Tensor& out)
      : planes_(planes),
        options_(options),
        length_(length),
        windows_(options.windows(length)),
        slots_(slots),
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
        keep_wraps(frame - 1, t - 1, band);
      }
      if (t > 0) {
        add_frame(video, t, band);
      }
      if (t == 0 || t == length_ - 1) {
        fill_repeated(video, t, band);
      }
    }
  }

  // Differences of frame t of the one video at hand, not its first, from the one before, in every
  // window that has both.
  void push(int64_t t, int64_t band) {
    if (t > 1) {
      keep_wraps(t - 1, t - 1, band);
    }
    add_frame(0, t, band);
  }

 private:
  void* window_plane(int64_t video, int64_t window, int64_t band, int64_t i) const {
    const int64_t plane =
        ((video * slots_ + window % slots_) * options_.nbands + band) * options_.num_phase + i;
    return out_ + plane * plane_bytes();
  }

  int64_t plane_bytes() const {
    return planes_.size.area() * out_size_;
  }

  T* kept(int64_t start) const {
    return kept_.data() + start % (options_.num_phase + 1) * kept_size_;
  }

  // Calls visit(start, field) for the windows' starts that frame t is not the first frame of, the
  // nearest first. The field is null while no phase has wrapped since.
  template <typename Visit>
  void for_fields(int64_t frame, int64_t t, int64_t band, const Visit& visit) {
    const auto& kernel = kernels<T>();
    const Size size = planes_.size;
    const T* amplitude = planes_.plane(planes_.amplitude, frame, band);
    bool any = false;
    for (int64_t i = 1; i <= std::min(options_.num_phase, t); ++i) {
      const auto wraps = planes_.wraps(frame - i + 1, band);
      if (wraps.count > 0) {
        if (!any) {
          std::memset(field_.data(), 0, sizeof(T) * field_size_);
          any = true;
        }
        kernel.add_wraps(
            wraps.rows, wraps.count, amplitude, size.h, size.w, field_.data(), scratch_.data());
      }
      visit(t - i, any ? field_.data() : nullptr);
    }
  }

  // What the difference of the next frame needs to know of this one.
  void keep_wraps(int64_t frame, int64_t t, int64_t band) {
    for_fields(frame, t, band, [&](int64_t start, const T* field) {
      has_kept_[start % (options_.num_phase + 1)] = field != nullptr;
      if (field != nullptr) {
        kernels<T>().keep_wraps(
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
  int64_t length_, windows_, slots_, field_size_, kept_size_;
  char* out_;
  int64_t out_size_;  // bytes of an element
  Convert convert_;   // null where planes are written in the dtype they are computed in
  Scratch<T> field_, scratch_, plain_, computed_;
  Scratch<T> kept_;  // wraps of the frame before, by the windows' starts
  std::vector<char> has_kept_;
};

}  // namespace phasenet
