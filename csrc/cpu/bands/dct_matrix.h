// Cosines or sines of one axis as matrices that multiply from the left, split by symmetry.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "../kernels/kernels.h"

namespace phasenet {

// w[n, k] = sign cos(k (step n + offset)), or the sine, for `samples` n and `frequencies` k.
struct DctShape {
  int64_t samples, frequencies;
  double step, offset;
  bool sine;
  double sign;
};

// Matrices that are symmetric about the middle of the samples for one parity of k and
// antisymmetric for the other (step pi / samples, offset half a step) need a quarter of the
// products twice; the half with even k is again such a matrix of half the samples.
template <typename T>
class DctMatrix {
 public:
  explicit DctMatrix(const DctShape& shape);

  // out [samples, columns] (+)= w in [frequencies, columns]. `columns` is a multiple of 16, scratch
  // has scratch_rows() rows of them.
  void synthesize(
      Matrix<const T> in, int64_t columns, bool accumulate, Matrix<T> out, T* scratch) const;

  // out [frequencies, columns] = w^T in [samples, columns].
  void analyse(Matrix<const T> in, int64_t columns, Matrix<T> out, T* scratch) const;

  int64_t scratch_rows() const;
  int64_t elements() const;  // of the matrices

  // Products and sums per column, without building anything.
  static double cost(const DctShape& shape);

 private:
  // Whether splitting by parity saves more than its sums cost.
  static bool splits(const DctShape& shape);
  static DctShape even_half(const DctShape& shape);

  int64_t samples_, frequencies_;
  bool antisymmetric_;     // even k: of sines
  std::vector<T> matrix_;  // [samples, frequencies], of odd k only where there is even_
  std::vector<T> transposed_;
  std::unique_ptr<DctMatrix> even_;  // null where nothing is split
};

}  // namespace phasenet
