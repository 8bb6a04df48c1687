// Gradient of the phase differences with respect to the frames: the analytic derivative of the
// denoised phase, with the wraps of the unwrapping held constant (they are, almost everywhere).
//
// With B the blur, a the amplitude, p the phase, M = B(a) and k a window's wraps, a window sees
//   D = B(a (p + 2 pi k)) / M,   so for a gradient g of D and q = g / M
//   dp = a B(q),   da = (p + 2 pi k) B(q) - B(q D).
// Everything but the term with k is linear in q, so it is summed over windows before blurring.
#include <algorithm>
#include <cmath>

#include "../bands/plane_pyramid.h"
#include "../convert.h"
#include "../phase_planes.h"

namespace phasenet {
namespace {

struct FrameSums {  // of every window a frame is in, laid out as LevelPlanes
  Tensor q;         // g / M
  Tensor q_phase;   // q D
  Tensor wrapped;   // 2 pi k B(q)
};

template <typename T>
struct WindowFrame {  // what a window reads of one of its frames
  const T* amplitude;
  const T* denoised;
  const T* inverse;
  typename LevelPlanes<T>::Wraps row_wraps;
  bool repeated;  // the frame before is the same
};

// The frames of one window of one band, in order.
template <typename T>
void fill_window(
    const LevelPlanes<T>& planes,
    const PhaseOptions& options,
    int64_t video,
    int64_t length,
    int64_t window,
    int64_t band,
    std::vector<WindowFrame<T>>& frames) {
  int64_t before = -1;
  for (int64_t i = 0; i <= options.num_phase; ++i) {
    const int64_t t = options.frame(window, i, length), frame = video * length + t;
    frames[i] = {
        planes.plane(planes.amplitude, frame, band),
        planes.plane(planes.denoised, frame, band),
        planes.plane(planes.inverse, frame, band),
        planes.wraps(frame, band),
        t == before};
    before = t;
  }
}

// Adds the wraps of a frame's row_wraps.
template <typename T>
void count_wraps(const typename LevelPlanes<T>::Wraps& row_wraps, int64_t w, T* wraps) {
  for (int64_t c = 0; c < row_wraps.count; ++c) {
    const RowWraps& row_of = row_wraps.rows[c];
    T* row = wraps + row_of.row * w + row_of.column;
    for (uint32_t bits = uint32_t{row_of.down} | row_of.up; bits != 0; bits &= bits - 1) {
      const int i = __builtin_ctz(bits);
      row[i] += row_of.up >> i & 1 ? T(1) : T(-1);
    }
  }
}

// Scratch of one thread: the planes of the window at hand.
template <typename T>
struct WindowScratch {
  WindowScratch(int64_t count, Size size)
      : wraps((count + 1) * size.area()),
        unwrapped((count + 1) * size.area()),
        grad((count + 1) * size.area() + kPlaneSlack),
        plane(size.area() + kPlaneSlack),
        kernel(kernel_scratch<T>(size)) {
  }
  std::vector<T> wraps, unwrapped, grad, plane;
  Scratch<T> kernel;
};

// Wraps and denoised phases of a window as the forward sees them, from its second frame on.
template <typename T>
void unwrap_window(
    const std::vector<WindowFrame<T>>& frames, Size size, WindowScratch<T>& scratch) {
  const int64_t n = size.area();
  std::fill(scratch.wraps.begin(), scratch.wraps.begin() + n, T(0));
  std::copy(frames[0].denoised, frames[0].denoised + n, scratch.unwrapped.begin());
  for (size_t i = 1; i < frames.size(); ++i) {
    const T* before = scratch.wraps.data() + (i - 1) * n;
    T* wraps = scratch.wraps.data() + i * n;
    T* unwrapped = scratch.unwrapped.data() + i * n;
    std::copy(before, before + n, wraps);
    if (!frames[i].repeated) {
      count_wraps<T>(frames[i].row_wraps, size.w, wraps);
    }
    const bool any = std::any_of(wraps, wraps + n, [](T wrap) { return wrap != 0; });
    std::copy(frames[i].denoised, frames[i].denoised + n, unwrapped);
    if (any) {
      for (int64_t j = 0; j < n; ++j) {
        scratch.plane[j] = frames[i].amplitude[j] * wraps[j] * T(2 * kPi);
      }
      // `grad` of this frame is not filled yet and serves as the target.
      T* blurred = scratch.grad.data() + i * n;
      kernels<T>().blur(scratch.plane.data(), size.h, size.w, blurred, scratch.kernel.data());
      for (int64_t j = 0; j < n; ++j) {
        unwrapped[j] += blurred[j] * frames[i].inverse[j];
      }
    }
  }
}

// Gradient of the output planes -> gradient of each frame's denoised phase (scratch.grad): back
// through the clamp, the mean and the difference.
template <typename T>
void difference_backward(
    const std::vector<WindowFrame<T>>& frames,
    const T* out_grad,
    int64_t n,
    WindowScratch<T>& scratch) {
  const T limit = T(5 * kPi);
  std::fill(scratch.grad.begin(), scratch.grad.end(), T(0));
  for (size_t i = 1; i < frames.size(); ++i, out_grad += n) {
    if (frames[i].repeated) {
      continue;  // the difference of a frame with itself
    }
    const T* before = scratch.unwrapped.data() + (i - 1) * n;
    const T* after = before + n;
    double mean = 0;
    for (int64_t j = 0; j < n; ++j) {
      mean += double(after[j] - before[j]);
    }
    mean /= double(n);
    double grad_mean = 0;
    for (int64_t j = 0; j < n; ++j) {
      const T centred = after[j] - before[j] - T(mean);
      scratch.plane[j] = centred >= -limit && centred <= limit ? out_grad[j] : T(0);
      grad_mean += double(scratch.plane[j]);
    }
    grad_mean /= double(n);
    T* grad = scratch.grad.data() + i * n;
    for (int64_t j = 0; j < n; ++j) {
      const T value = scratch.plane[j] - T(grad_mean);
      grad[j] += value;
      grad[j - n] -= value;
    }
  }
}

// Adds a window's share to the sums of frame `i` of it.
template <typename T>
void add_to_sums(
    const WindowFrame<T>& frame,
    size_t i,
    Size size,
    WindowScratch<T>& scratch,
    T* q_sum,
    T* q_phase_sum,
    T* wrapped_sum) {
  const int64_t n = size.area();
  T* q = scratch.grad.data() + i * n;
  const T* unwrapped = scratch.unwrapped.data() + i * n;
  const T* wraps = scratch.wraps.data() + i * n;
  bool any = false;
  for (int64_t j = 0; j < n; ++j) {
    q[j] *= frame.inverse[j];
    q_sum[j] += q[j];
    q_phase_sum[j] += q[j] * unwrapped[j];
    any = any || wraps[j] != 0;
  }
  if (any) {
    kernels<T>().blur(q, size.h, size.w, scratch.plane.data(), scratch.kernel.data());
    for (int64_t j = 0; j < n; ++j) {
      wrapped_sum[j] += T(2 * kPi) * wraps[j] * scratch.plane[j];
    }
  }
}

template <typename T>
FrameSums sum_windows(
    const LevelPlanes<T>& planes,
    const PhaseOptions& options,
    const Tensor& grads,
    int64_t videos,
    int64_t length) {
  const auto zeros = [&] { return torch::stable::new_zeros(planes.phase, planes.phase.sizes()); };
  const FrameSums sums{zeros(), zeros(), zeros()};
  const int64_t windows = options.windows(length), count = options.num_phase;
  const int64_t n = planes.size.area();
  const T* grad_data = grads.const_data_ptr<T>();
  T* q = sums.q.mutable_data_ptr<T>();
  T* q_phase = sums.q_phase.mutable_data_ptr<T>();
  T* wrapped = sums.wrapped.mutable_data_ptr<T>();
  // A task owns all frames of one video's band, so that sums need no locks and keep one order.
  torch::stable::parallel_for(0, videos * options.nbands, 1, [&](int64_t begin, int64_t end) {
    WindowScratch<T> scratch(count, planes.size);
    std::vector<WindowFrame<T>> frames(count + 1);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t video = task / options.nbands, band = task % options.nbands;
      for (int64_t window = 0; window < windows; ++window) {
        fill_window(planes, options, video, length, window, band, frames);
        const int64_t plane = ((video * windows + window) * options.nbands + band) * count;
        unwrap_window(frames, planes.size, scratch);
        difference_backward(frames, grad_data + plane * n, n, scratch);
        for (int64_t i = 0; i <= count; ++i) {
          const int64_t t = video * length + options.frame(window, i, length);
          const int64_t offset = planes.index(t, band) * planes.size.area();
          add_to_sums(
              frames[i], i, planes.size, scratch, q + offset, q_phase + offset, wrapped + offset);
        }
      }
    }
  });
  return sums;
}

// Sums -> gradient of the complex band, zero outside the quarter that was kept.
template <typename T>
Tensor band_grad(const LevelPlanes<T>& planes, const FrameSums& sums, Size whole) {
  const Size size = planes.size;
  const int64_t n = size.area(), nbands = planes.nbands, count = planes.capacity;
  const Tensor result =
      torch::stable::new_zeros(planes.phase, {count, nbands, whole.h, whole.w}, Dtypes<T>::complex);
  auto* out = result.mutable_data_ptr<Complex<T>>();
  const T* phase = planes.phase.template const_data_ptr<T>();
  const T* amplitude = planes.amplitude.template const_data_ptr<T>();
  const T* q = sums.q.const_data_ptr<T>();
  const T* q_phase = sums.q_phase.const_data_ptr<T>();
  const T* wrapped = sums.wrapped.const_data_ptr<T>();
  torch::stable::parallel_for(0, count * nbands, 1, [&](int64_t begin, int64_t end) {
    const Scratch<T> scratch = kernel_scratch<T>(size);
    std::vector<T> blurred(n), blurred_phase(n);
    for (int64_t i = begin; i < end; ++i) {
      kernels<T>().blur(q + i * n, size.h, size.w, blurred.data(), scratch.data());
      kernels<T>().blur(q_phase + i * n, size.h, size.w, blurred_phase.data(), scratch.data());
      for (int64_t j = 0; j < n; ++j) {
        const T p = phase[i * n + j], a = amplitude[i * n + j];
        const T magnitude = a - T(1e-10);
        if (magnitude > 0) {  // at zero neither phase nor amplitude has a derivative
          const T da = p * blurred[j] + wrapped[i * n + j] - blurred_phase[j];
          const T dp = a * blurred[j] / magnitude;
          const T c = std::cos(p), s = std::sin(p);
          out[i * whole.area() + j / size.w * whole.w + j % size.w] = {
              da * c - dp * s, da * s + dp * c};
        }
      }
    }
  });
  return result;
}

// Adjoint of the mirroring: [N, 2H, 2W] -> [N, H, W] of `dtype`.
template <typename T>
Tensor fold_mirror(const Tensor& image, Size size, ScalarType dtype) {
  const int64_t count = image.size(0), width = 2 * size.w;
  const Tensor result = empty_cpu({count, size.h, size.w}, dtype);
  const T* from = image.const_data_ptr<T>();
  char* to = static_cast<char*>(result.mutable_data_ptr());
  const int64_t row_bytes = size.w * static_cast<int64_t>(result.element_size());
  const Convert convert = conversion<T>(dtype);
  torch::stable::parallel_for(0, count * size.h, 64, [&](int64_t begin, int64_t end) {
    const Scratch<T> computed(size.w);
    for (int64_t i = begin; i < end; ++i) {
      T* row = convert == nullptr ? reinterpret_cast<T*>(to + i * row_bytes) : computed.data();
      const int64_t image_index = i / size.h, y = i % size.h;
      const T* upper = from + (image_index * 2 * size.h + y) * width;
      const T* lower = from + (image_index * 2 * size.h + 2 * size.h - 1 - y) * width;
      for (int64_t x = 0; x < size.w; ++x) {
        const int64_t mirrored = width - 1 - x;
        row[x] = upper[x] + upper[mirrored] + lower[x] + lower[mirrored];
      }
      if (convert != nullptr) {
        convert(row, size.w, to + i * row_bytes);
      }
    }
  });
  return result;
}

// Adjoint of image -> analytic bands of the levels: band gradients [N, nbands, h, w] -> [N, H, W].
template <typename T>
Tensor analytic_bands_adjoint(
    const std::vector<Tensor>& band_grads, const PhaseOptions& options, Size image) {
  const auto plan = pyramid_plan<T>(image, options.height, options.nbands);
  PyramidPlanes<const T> planes{std::vector<const T*>(plan->parts.size(), nullptr), {}};
  for (size_t i = 0; i < band_grads.size(); ++i) {
    const T*& level = planes.parts[options.levels[i]];
    STD_TORCH_CHECK(level == nullptr, "levels: expected distinct levels");
    level = static_cast<const T*>(band_grads[i].const_data_ptr());
  }
  const int64_t count = band_grads[0].size(0);
  const Tensor images = empty_cpu({count, image.h, image.w}, Dtypes<T>::real);
  synthesize_planes(planes, count, *plan, true, images.template mutable_data_ptr<T>());
  return images;
}

template <typename T>
Tensor backward_of(
    const std::vector<Tensor>& grads, const Tensor& frames, const PhaseOptions& options) {
  const Tensor videos = as_batch(frames, 3);
  const int64_t count = videos.size(0), length = videos.size(1);
  const Size size = image_size(frames), image{2 * size.h, 2 * size.w};
  const std::vector<Size> sizes_of_levels = level_sizes(image, options.height);
  if (count * length == 0) {  // as in pyramid.cpp
    for (size_t i = 0; i < grads.size(); ++i) {
      const Size level = sizes_of_levels[options.levels[i] - 1];
      check_grad(grads[i], options, count, length, {level.h / 2, level.w / 2}, Dtypes<T>::real);
    }
    const auto sizes = frames.sizes();
    return empty_cpu({sizes.begin(), sizes.end()}, frames.scalar_type());
  }
  PhasePlanes<T> phase_planes(videos, options, count * length);
  phase_planes.fill(0, count * length);
  const std::vector<LevelPlanes<T>>& planes = phase_planes.levels();
  std::vector<Tensor> band_grads;
  for (size_t i = 0; i < planes.size(); ++i) {
    check_grad(grads[i], options, count, length, planes[i].size, Dtypes<T>::real);
    const Tensor grad = as_batch(grads[i], 4);
    const FrameSums sums = sum_windows(planes[i], options, grad, count, length);
    band_grads.push_back(band_grad(planes[i], sums, sizes_of_levels[options.levels[i] - 1]));
  }
  const Tensor image_grad = analytic_bands_adjoint<T>(band_grads, options, image);
  const Tensor frame_grads = fold_mirror<T>(image_grad, size, frames.scalar_type());
  const auto sizes = frames.sizes();
  return torch::stable::reshape(frame_grads, std::vector<int64_t>{sizes.begin(), sizes.end()});
}

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
  return with_input_dtype("frames", frames.scalar_type(), [&](auto zero) {
    return backward_of<decltype(zero)>(grads, frames, options);
  });
}

}  // namespace
}  // namespace phasenet

STABLE_TORCH_LIBRARY_IMPL(phasenet, CPU, m) {
  m.impl(
      "phase_difference_windows_backward", TORCH_BOX(&phasenet::phase_difference_windows_backward));
}
