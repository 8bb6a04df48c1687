// Numpy's arrays as tensors that operators are given, and their results as arrays.
#pragma once

#include <pybind11/numpy.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstring>
#include <vector>

#include "../../csrc/common/tensors.h"
#include "placement.h"

namespace emulation {

namespace py = pybind11;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// How many elements behind an aligned address tensors begin that operators are given.
inline int64_t offset = 0;

inline ScalarType dtype_of(const py::array& array) {
  const std::string name = py::str(array.dtype().attr("name"));
  if (name == "uint8") return ScalarType::Byte;
  if (name == "float32") return ScalarType::Float;
  if (name == "float64") return ScalarType::Double;
  if (name == "complex64") return ScalarType::ComplexFloat;
  if (name == "complex128") return ScalarType::ComplexDouble;
  throw py::type_error("no operator takes arrays of " + name);
}

inline py::dtype numpy_dtype(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Float:
      return py::dtype("float32");
    case ScalarType::Double:
      return py::dtype("float64");
    case ScalarType::ComplexFloat:
      return py::dtype("complex64");
    case ScalarType::ComplexDouble:
      return py::dtype("complex128");
    case ScalarType::Half:
      return py::dtype("float16");
    case ScalarType::BFloat16:  // numpy has no such dtype: the bits
      return py::dtype("uint16");
    default:
      throw py::type_error("no operator returns this dtype");
  }
}

inline Tensor given_memory(const std::vector<int64_t>& sizes, ScalarType dtype) {
  return placed(
      sizes, offset, [&](const auto& lengths) { return torch::stable::empty(lengths, dtype); });
}

inline Tensor to_tensor(const py::array& given) {
  const py::array array = py::array::ensure(given, py::array::c_style);
  const std::vector<int64_t> sizes(array.shape(), array.shape() + array.ndim());
  const Tensor tensor = given_memory(sizes, dtype_of(array));
  if (array.nbytes() > 0) {  // nothing has no address
    std::memcpy(tensor.mutable_data_ptr(), array.data(), static_cast<size_t>(array.nbytes()));
  }
  return tensor;
}

inline std::vector<Tensor> to_tensors(const std::vector<py::array>& arrays) {
  std::vector<Tensor> tensors;
  for (const py::array& array : arrays) {
    tensors.push_back(to_tensor(array));
  }
  return tensors;
}

inline py::array to_array(const Tensor& given) {
  const Tensor tensor = torch::stable::contiguous(given);
  const auto sizes = tensor.sizes();
  py::array array(
      numpy_dtype(tensor.scalar_type()), std::vector<py::ssize_t>(sizes.begin(), sizes.end()));
  if (array.nbytes() > 0) {
    std::memcpy(array.mutable_data(), tensor.const_data_ptr(), static_cast<size_t>(array.nbytes()));
  }
  return array;
}

inline std::vector<py::array> to_arrays(const std::vector<Tensor>& tensors) {
  std::vector<py::array> arrays;
  for (const Tensor& tensor : tensors) {
    arrays.push_back(to_array(tensor));
  }
  return arrays;
}

// What `write` puts into given memory of the shapes of `results`.
template <typename Write>
std::vector<Tensor> in_given_memory(const std::vector<Tensor>& results, const Write& write) {
  std::vector<Tensor> out;
  for (const Tensor& result : results) {
    out.push_back(given_memory(phasenet::leading(result, 0), result.scalar_type()));
  }
  write(out);
  return out;
}

}  // namespace emulation
