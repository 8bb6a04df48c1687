// The bands of some orientations, taken out of those of all and put back: on a GPU all are
// computed.
#pragma once

#include <vector>

#include "../common/tensors.h"

namespace phasenet::cuda {

// Of coefficients, highpass, bands and lowpass, those with bands of these orientations alone.
inline std::vector<Tensor> with_orientations(
    std::vector<Tensor> parts, const std::vector<int64_t>& orientations) {
  for (size_t i = 1; !orientations.empty() && i + 1 < parts.size(); ++i) {
    std::vector<int64_t> shape = leading(parts[i], 0);
    const auto axis = static_cast<int64_t>(shape.size()) - 3;
    shape[axis] = static_cast<int64_t>(orientations.size());
    Tensor some = torch::stable::new_empty(parts[i], shape);
    for (size_t j = 0; j < orientations.size(); ++j) {
      Tensor to = torch::stable::narrow(some, axis, static_cast<int64_t>(j), 1);
      torch::stable::copy_(to, torch::stable::narrow(parts[i], axis, orientations[j], 1));
    }
    parts[i] = some;
  }
  return parts;
}

// Bands of all orientations, zeros but for these.
inline Tensor with_all_orientations(
    Tensor some, const std::vector<int64_t>& orientations, int64_t nbands) {
  std::vector<int64_t> shape = leading(some, 0);
  const auto axis = static_cast<int64_t>(shape.size()) - 3;
  shape[axis] = nbands;
  Tensor all = torch::stable::new_zeros(some, shape);
  for (size_t j = 0; j < orientations.size(); ++j) {
    Tensor to = torch::stable::narrow(all, axis, orientations[j], 1);
    torch::stable::copy_(to, torch::stable::narrow(some, axis, static_cast<int64_t>(j), 1));
  }
  return all;
}

}  // namespace phasenet::cuda
