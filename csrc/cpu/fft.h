// ATen's Fourier transforms of the last two dimensions, called through the dispatcher: the stable
// ABI has no functions for them.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <array>
#include <vector>

namespace phasenet {

enum class Norm : int64_t { none = 0, by_size = 2 };

namespace detail {

inline std::vector<int64_t> last_two(const torch::stable::Tensor& x) {
  return {x.dim() - 2, x.dim() - 1};
}

template <size_t N>
torch::stable::Tensor call(
    const char* op, const char* overload, std::array<StableIValue, N> stack) {
  STABLE_TORCH_ERROR_CODE_CHECK(
      torch_call_dispatcher(op, overload, stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<torch::stable::Tensor>(stack[0]);
}

}  // namespace detail

// Real [..., h, w] -> complex [..., h, w / 2 + 1], not normalised.
inline torch::stable::Tensor rfft2(const torch::stable::Tensor& x) {
  using torch::stable::detail::from;
  return detail::call<4>(
      "aten::_fft_r2c",
      "",
      {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(Norm::none)), from(true)});
}

// Complex [..., h, w / 2 + 1] -> real [..., h, w].
inline torch::stable::Tensor irfft2(const torch::stable::Tensor& x, int64_t w, Norm norm) {
  using torch::stable::detail::from;
  return detail::call<4>(
      "aten::_fft_c2r",
      "",
      {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(norm)), from(w)});
}

// Complex [..., h, w] -> the same shape, forward and not normalised, or inverse by its size.
inline torch::stable::Tensor fft2(const torch::stable::Tensor& x, bool forward) {
  using torch::stable::detail::from;
  const Norm norm = forward ? Norm::none : Norm::by_size;
  return detail::call<4>(
      "aten::_fft_c2c",
      "",
      {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(norm)), from(forward)});
}

// The inverse transform written to `out`.
inline void ifft2_out(const torch::stable::Tensor& x, const torch::stable::Tensor& out) {
  using torch::stable::detail::from;
  detail::call<5>(
      "aten::_fft_c2c",
      "out",
      {from(x),
       from(detail::last_two(x)),
       from(static_cast<int64_t>(Norm::by_size)),
       from(false),
       from(out)});
}

// The real parts of a complex tensor, contiguous.
inline torch::stable::Tensor real_part(const torch::stable::Tensor& x) {
  using torch::stable::detail::from;
  return torch::stable::contiguous(detail::call<1>("aten::real", "", {from(x)}));
}

}  // namespace phasenet
