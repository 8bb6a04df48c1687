// ATen's Fourier transforms of the last two dimensions, called through the dispatcher: the stable
// ABI has no functions for them.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/shim_utils.h>

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
  TORCH_ERROR_CODE_CHECK(
      torch_call_dispatcher(op, overload, stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<torch::stable::Tensor>(stack[0]);
}

#if defined(PHASENET_EMULATED)
// As on a GPU: columns in memory one after the other.
inline torch::stable::Tensor by_columns(torch::stable::Tensor x) {
  const int64_t last = x.dim() - 1;
  torch::stable::Tensor columns =
      torch::stable::contiguous(torch::stable::transpose(x, last - 1, last));
  return torch::stable::transpose(columns, last - 1, last);
}
#endif

}  // namespace detail

// ATen refuses to transform nothing; the result is then nothing of another width and dtype.
inline torch::stable::Tensor empty_transform(
    const torch::stable::Tensor& x, int64_t columns, torch::headeronly::ScalarType dtype) {
  const auto sizes = x.sizes();
  std::vector<int64_t> shape{sizes.begin(), sizes.end()};
  shape.back() = columns;
  return torch::stable::new_empty(x, shape, dtype);
}

// Real [..., h, w] -> complex [..., h, w / 2 + 1], not normalised. On a GPU the columns of the
// result lie in memory one after the other, not its rows.
inline torch::stable::Tensor rfft2(const torch::stable::Tensor& x) {
  using torch::headeronly::ScalarType;
  using torch::stable::detail::from;
  if (x.numel() == 0) {
    const bool is_double = x.scalar_type() == ScalarType::Double;
    const auto dtype = is_double ? ScalarType::ComplexDouble : ScalarType::ComplexFloat;
    return empty_transform(x, x.size(x.dim() - 1) / 2 + 1, dtype);
  }
  const auto result = detail::call<4>(
      "aten::_fft_r2c",
      "",
      {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(Norm::none)), from(true)});
#if defined(PHASENET_EMULATED)
  return detail::by_columns(result);
#else
  return result;
#endif
}

// Complex [..., h, w / 2 + 1] -> real [..., h, w]. On a GPU one copy is saved where the columns of
// `x` lie in memory one after the other.
inline torch::stable::Tensor irfft2(const torch::stable::Tensor& x, int64_t w, Norm norm) {
  using torch::headeronly::ScalarType;
  using torch::stable::detail::from;
  if (x.numel() == 0) {
    const bool is_double = x.scalar_type() == ScalarType::ComplexDouble;
    return empty_transform(x, w, is_double ? ScalarType::Double : ScalarType::Float);
  }
  return detail::call<4>(
      "aten::_fft_c2r",
      "",
      {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(norm)), from(w)});
}

// Complex [..., h, w] -> the same shape.
inline torch::stable::Tensor transform2(const torch::stable::Tensor& x, Norm norm, bool forward) {
  using torch::stable::detail::from;
  if (x.numel() == 0) {
    return x;
  }
  return detail::call<4>(
      "aten::_fft_c2c",
      "",
      {from(x), from(detail::last_two(x)), from(static_cast<int64_t>(norm)), from(forward)});
}

// Not normalised.
inline torch::stable::Tensor fft2(const torch::stable::Tensor& x) {
  return transform2(x, Norm::none, true);
}

inline torch::stable::Tensor ifft2(const torch::stable::Tensor& x, Norm norm = Norm::by_size) {
  return transform2(x, norm, false);
}

// Normalised by the size, written to `out`.
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
