// ATen's Fourier transforms of the last two dimensions, called through the dispatcher: the stable
// ABI has no functions for them. Results are dense, as ATen gives them wherever what it is given is
// dense; should a release lay them out otherwise, they are copied.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/shim_utils.h>

#include <array>
#include <vector>

#include "failures.h"
#include "tensors.h"

namespace phasenet {

enum class Norm : int64_t { none = 0, by_size = 2 };

namespace detail {

inline std::vector<int64_t> last_two(const torch::stable::Tensor& x) {
  return {x.dim() - 2, x.dim() - 1};
}

// Whether there is memory for what a transform of `x` takes at most: a copy of it, the result and
// the plan's workspace.
inline bool has_memory_to_transform(const torch::stable::Tensor& x) {
  const auto sizes = x.sizes();
  const std::vector<int64_t> shape{sizes.begin(), sizes.end()};
  std::vector<torch::stable::Tensor> parts;
  try {
    for (int i = 0; i < 3; ++i) {
      parts.push_back(torch::stable::new_empty(x, shape));
    }
  } catch (const std::exception&) {
    return false;
  }
  return true;
}

template <size_t N>
torch::stable::Tensor call(
    const torch::stable::Tensor& x,
    const char* op,
    const char* overload,
    std::array<StableIValue, N> stack) {
  if (torch_call_dispatcher(op, overload, stack.data(), TORCH_ABI_VERSION) != TORCH_SUCCESS) {
    explain_failure("an FFT", [&] { return !has_memory_to_transform(x); });
  }
  return torch::stable::detail::to<torch::stable::Tensor>(stack[0]);
}

}  // namespace detail

// ATen refuses to transform nothing; the result is then nothing of another width and dtype.
inline torch::stable::Tensor empty_transform(
    const torch::stable::Tensor& x, int64_t columns, torch::headeronly::ScalarType dtype) {
  const auto sizes = x.sizes();
  std::vector<int64_t> shape{sizes.begin(), sizes.end()};
  shape.back() = columns;
  return torch::stable::new_empty(x, shape, dtype);
}

// Real [..., h, w] -> complex [..., h, w / 2 + 1], not normalised.
inline torch::stable::Tensor rfft2(const torch::stable::Tensor& x) {
  using torch::headeronly::ScalarType;
  using torch::stable::detail::from;
  if (x.numel() == 0) {
    const bool is_double = x.scalar_type() == ScalarType::Double;
    const auto dtype = is_double ? ScalarType::ComplexDouble : ScalarType::ComplexFloat;
    return empty_transform(x, x.size(x.dim() - 1) / 2 + 1, dtype);
  }
  return dense(
      detail::call<4>(
          x,
          "aten::_fft_r2c",
          "",
          {from(x),
           from(detail::last_two(x)),
           from(static_cast<int64_t>(Norm::none)),
           from(true)}));
}

// Complex [..., h, w / 2 + 1] -> real [..., h, w]. On a GPU ATen transforms a copy of `x`, since
// cuFFT may write to what it reads.
inline torch::stable::Tensor irfft2(const torch::stable::Tensor& x, int64_t w, Norm norm) {
  using torch::headeronly::ScalarType;
  using torch::stable::detail::from;
  if (x.numel() == 0) {
    const bool is_double = x.scalar_type() == ScalarType::ComplexDouble;
    return empty_transform(x, w, is_double ? ScalarType::Double : ScalarType::Float);
  }
  return dense(
      detail::call<4>(
          x,
          "aten::_fft_c2r",
          "",
          {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(norm)), from(w)}));
}

// Complex [..., h, w] -> the same shape.
inline torch::stable::Tensor transform2(const torch::stable::Tensor& x, Norm norm, bool forward) {
  using torch::stable::detail::from;
  if (x.numel() == 0) {
    return x;
  }
  return dense(
      detail::call<4>(
          x,
          "aten::_fft_c2c",
          "",
          {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(norm)), from(forward)}));
}

// Not normalised.
inline torch::stable::Tensor fft2(const torch::stable::Tensor& x) {
  return transform2(x, Norm::none, true);
}

inline torch::stable::Tensor ifft2(const torch::stable::Tensor& x, Norm norm = Norm::by_size) {
  return transform2(x, norm, false);
}

}  // namespace phasenet
