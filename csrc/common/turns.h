// Arguments of the operators that turn phases, checked: the same for every backend.
#pragma once

#include <cmath>
#include <vector>

#include "tensors.h"

namespace phasenet {

constexpr double kMostSmoothing = 64;  // as in phasenet/checks.py
constexpr size_t kMostSections = 8;
constexpr size_t kSectionNumbers = 5;

// exp(-k^2 / (2 std^2)) for k = 0, 1, ... up to two and a half times `std`; nothing for 0.
template <typename T>
std::vector<T> gaussian_taps(double std) {
  std::vector<T> taps{T(1)};
  const auto reach = static_cast<int64_t>(std::ceil(2.5 * std));
  for (int64_t k = 1; k <= reach; ++k) {
    const auto distance = static_cast<double>(k) / std;
    taps.push_back(static_cast<T>(std::exp(-0.5 * distance * distance)));
  }
  return taps;
}

// Calls body(T{}) with the dtype of the parts of complex `bands`.
template <typename Body>
void with_band_dtype(const char* op, const Tensor& bands, const Body& body) {
  const bool is_double = bands.scalar_type() == ScalarType::ComplexDouble;
  STD_TORCH_CHECK(
      is_double || bands.scalar_type() == ScalarType::ComplexFloat,
      op,
      ": bands: expected dtype complex64 or complex128");
  is_double ? body(double{}) : body(float{});
}

inline void check_turned(const char* op, const Tensor& bands, double smoothing) {
  STD_TORCH_CHECK(bands.dim() >= 2, op, ": bands: expected shape [..., h, w]");
  STD_TORCH_CHECK(
      smoothing >= 0 && smoothing <= kMostSmoothing,
      op,
      ": smoothing: expected from 0 to 64 pixels, got ",
      smoothing);
}

inline void check_limit(const char* op, double limit) {
  STD_TORCH_CHECK(limit >= 0, op, ": limit: expected an angle of at least 0, got ", limit);
}

template <typename T>
void check_turns(const char* op, const Tensor& bands, const Tensor& turns) {
  STD_TORCH_CHECK(
      turns.scalar_type() == Dtypes<T>::real && leading(turns, 0) == leading(bands, 0) &&
          same_device(turns, bands),
      op,
      ": turns: expected the shape, the real dtype and the device of bands");
}

// The numbers of the sections as T.
template <typename T>
std::vector<T> section_numbers(const char* op, const std::vector<double>& filter) {
  STD_TORCH_CHECK(
      filter.size() % kSectionNumbers == 0 && filter.size() <= kMostSections * kSectionNumbers,
      op,
      ": filter: expected five numbers for each of at most 8 sections, got ",
      filter.size());
  return {filter.begin(), filter.end()};
}

// Both are memory that is written to.
template <typename T>
void check_state(const char* op, const Tensor& bands, const Tensor& state, size_t sections) {
  std::vector<int64_t> shape = leading(bands, 0);
  shape.insert(shape.begin(), static_cast<int64_t>(2 + 2 * sections));
  STD_TORCH_CHECK(bands.is_contiguous(), op, ": bands: expected a contiguous tensor");
  STD_TORCH_CHECK(
      fits(state, {shape, Dtypes<T>::real}) && same_device(state, bands) && !overlap(state, bands),
      op,
      ": state: expected contiguous [2 + 2 sections, ...] of the shape, the real dtype and the "
      "device of bands, in memory of its own");
}

}  // namespace phasenet
