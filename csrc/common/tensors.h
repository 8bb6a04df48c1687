// Small helpers on stable tensors that the operators of every device share.
#pragma once

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "geometry.h"

namespace phasenet {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

template <typename T>
struct Dtypes;
template <>
struct Dtypes<float> {
  static constexpr ScalarType real = ScalarType::Float;
  static constexpr ScalarType complex = ScalarType::ComplexFloat;
};
template <>
struct Dtypes<double> {
  static constexpr ScalarType real = ScalarType::Double;
  static constexpr ScalarType complex = ScalarType::ComplexDouble;
};

// Calls body(T{}) with the dtype the work is done in: that of the input, float32 for uint8.
template <typename Body>
auto with_compute_dtype(const char* name, ScalarType dtype, const Body& body) {
  if (dtype == ScalarType::Double) {
    return body(double{});
  }
  STD_TORCH_CHECK(
      dtype == ScalarType::Float || dtype == ScalarType::Byte,
      name,
      ": expected dtype uint8, float32 or float64");
  return body(float{});
}

// All dimensions but the last `count`.
inline std::vector<int64_t> leading(const Tensor& x, int64_t count) {
  const auto sizes = x.sizes();
  return {sizes.begin(), sizes.end() - count};
}

inline int64_t product(const std::vector<int64_t>& sizes) {
  int64_t result = 1;
  for (const int64_t size : sizes) {
    result *= size;
  }
  return result;
}

// Whether n is the product of factors that may overflow.
inline bool is_product(int64_t n, std::initializer_list<int64_t> factors) {
  for (const int64_t factor : factors) {
    if (factor == 0 || n % factor != 0) {
      return factor == 0 && n == 0;
    }
    n /= factor;
  }
  return n == 1;
}

// Asking first is cheaper than what the dispatcher does only to return `x`, here and below.
inline Tensor dense(const Tensor& x) {
  return x.is_contiguous() ? x : torch::stable::contiguous(x);
}

inline Tensor reshaped(const Tensor& x, const std::vector<int64_t>& shape) {
  return leading(x, 0) == shape ? x : torch::stable::reshape(x, shape);
}

// `x` as [product of leading dimensions, last `kept` dimensions], dense.
inline Tensor as_batch(const Tensor& x, int64_t kept) {
  std::vector<int64_t> shape{product(leading(x, kept))};
  for (int64_t i = x.dim() - kept; i < x.dim(); ++i) {
    shape.push_back(x.size(i));
  }
  return reshaped(dense(x), shape);
}

// [N, ...] back to the batch dimensions N was made of.
inline Tensor with_batch(const Tensor& x, std::vector<int64_t> batch) {
  for (int64_t i = 1; i < x.dim(); ++i) {
    batch.push_back(x.size(i));
  }
  return reshaped(x, batch);
}

// What a result of an operator is.
struct TensorSpec {
  std::vector<int64_t> shape;
  ScalarType dtype;
};

// Whether x may be written to where a result is expected.
inline bool fits(const Tensor& x, const TensorSpec& expected) {
  const auto sizes = x.sizes();
  return x.scalar_type() == expected.dtype && x.is_contiguous() &&
         std::vector<int64_t>(sizes.begin(), sizes.end()) == expected.shape;
}

inline bool same_device(const Tensor& a, const Tensor& b) {
  return a.is_cuda() == b.is_cuda() && a.get_device_index() == b.get_device_index();
}

// Whether dense tensors share memory.
inline bool overlap(const Tensor& a, const Tensor& b) {
  const auto begin = [](const Tensor& x) {
    return reinterpret_cast<uintptr_t>(x.const_data_ptr());
  };
  const auto end = [&](const Tensor& x) { return begin(x) + x.numel() * x.element_size(); };
  return begin(a) < end(b) && begin(b) < end(a);
}

// `out` is memory that is written to, so it has to be what the operator would have made itself.
inline void check_out(
    const char* op,
    const Tensor& input,
    const std::vector<Tensor>& out,
    const std::vector<TensorSpec>& expected) {
  bool same = out.size() == expected.size();
  for (size_t i = 0; same && i < out.size(); ++i) {
    same = fits(out[i], expected[i]) && same_device(out[i], input);
  }
  STD_TORCH_CHECK(
      same, op, ": out: expected contiguous tensors of the results' shapes, dtypes and device");
}

inline Size image_size(const Tensor& x) {
  STD_TORCH_CHECK(x.dim() >= 2, "phasenet: expected images of shape [..., H, W]");
  return {x.size(x.dim() - 2), x.size(x.dim() - 1)};
}

}  // namespace phasenet
