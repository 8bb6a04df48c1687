// Fourier transforms of lines of any length, as sequences of the kernels' passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "../kernels/transforms.h"

namespace phasenet {

// Operations per number of a transform of n, as weighed by their time.
double line_cost(int64_t n);

template <typename T>
class PrimeTransform;

// The passes of a transform of n numbers.
template <typename T>
class LineTransform {
 public:
  explicit LineTransform(int64_t n);
  ~LineTransform();
  LineTransform(const LineTransform&) = delete;  // plans point into it
  LineTransform& operator=(const LineTransform&) = delete;

  const LinePlan<T>& plan() const {
    return plan_;
  }
  size_t bytes() const;

 private:
  LinePlan<T> plan_;
  std::vector<T> factors_;
  std::vector<std::unique_ptr<PrimeTransform<T>>> primes_;
};

}  // namespace phasenet
