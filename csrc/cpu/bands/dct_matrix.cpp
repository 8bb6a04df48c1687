#include "dct_matrix.h"

#include <cmath>

#include "../../common/geometry.h"

namespace phasenet {
namespace {

constexpr int64_t kLeastSplit = 12;  // samples

}  // namespace

template <typename T>
bool DctMatrix<T>::splits(const DctShape& shape) {
  const double step = kPi / static_cast<double>(shape.samples);
  return shape.samples >= kLeastSplit && shape.frequencies >= 2 &&
         std::abs(shape.step - step) < 1e-12 * step &&
         std::abs(shape.offset - step / 2) < 1e-12 * step;
}

// Even k on the first half of the samples.
template <typename T>
DctShape DctMatrix<T>::even_half(const DctShape& shape) {
  const int64_t samples = (shape.samples + 1) / 2, frequencies = (shape.frequencies + 1) / 2;
  return {samples, frequencies, 2 * shape.step, 2 * shape.offset, shape.sine, shape.sign};
}

template <typename T>
DctMatrix<T>::DctMatrix(const DctShape& shape)
    : samples_(shape.samples), frequencies_(shape.frequencies), antisymmetric_(shape.sine) {
  const bool split = splits(shape);
  const int64_t first = split ? 1 : 0, every = split ? 2 : 1;
  const int64_t rows = split ? (samples_ + 1) / 2 : samples_;
  const int64_t columns = split ? frequencies_ / 2 : frequencies_;
  matrix_.resize(rows * columns);
  transposed_.resize(rows * columns);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t j = 0; j < columns; ++j) {
      const double angle = static_cast<double>(first + every * j) *
                           (shape.step * static_cast<double>(n) + shape.offset);
      const double value = shape.sign * (shape.sine ? std::sin(angle) : std::cos(angle));
      matrix_[n * columns + j] = static_cast<T>(value);
      transposed_[j * rows + n] = static_cast<T>(value);
    }
  }
  if (split) {
    even_ = std::make_unique<DctMatrix<T>>(even_half(shape));
  }
}

template <typename T>
void DctMatrix<T>::synthesize(
    Matrix<const T> in, int64_t columns, bool accumulate, Matrix<T> out, T* scratch) const {
  const auto& kernel = kernels<T>();
  if (even_ == nullptr) {
    const Matrix<const T> matrix{matrix_.data(), frequencies_};
    kernel.matmul(matrix, in, samples_, frequencies_, columns, accumulate, out);
    return;
  }
  const int64_t half = (samples_ + 1) / 2, odd_count = frequencies_ / 2;
  const Matrix<T> even{scratch, columns}, odd{scratch + half * columns, columns};
  even_->synthesize({in.data, 2 * in.stride}, columns, false, even, odd.data);
  const Matrix<const T> matrix{matrix_.data(), odd_count};
  const Matrix<const T> odd_rows{in.data + in.stride, 2 * in.stride};
  kernel.matmul(matrix, odd_rows, half, odd_count, columns, false, odd);
  kernel.unfold_rows(even.data, odd.data, samples_, columns, antisymmetric_, accumulate, out);
}

template <typename T>
void DctMatrix<T>::analyse(Matrix<const T> in, int64_t columns, Matrix<T> out, T* scratch) const {
  const auto& kernel = kernels<T>();
  if (even_ == nullptr) {
    const Matrix<const T> matrix{transposed_.data(), samples_};
    kernel.matmul(matrix, in, frequencies_, samples_, columns, false, out);
    return;
  }
  const int64_t half = (samples_ + 1) / 2;
  T* sum = scratch;
  T* difference = sum + half * columns;
  kernel.fold_rows(in, samples_, columns, sum, difference);
  const Matrix<const T> matrix{transposed_.data(), half};
  const Matrix<const T> for_odd{antisymmetric_ ? sum : difference, columns};
  const Matrix<const T> for_even{antisymmetric_ ? difference : sum, columns};
  const Matrix<T> odd_rows{out.data + out.stride, 2 * out.stride};
  kernel.matmul(matrix, for_odd, frequencies_ / 2, half, columns, false, odd_rows);
  // What the odd half was made of is done with, or comes after what the even half needs.
  even_->analyse(for_even, columns, {out.data, 2 * out.stride}, difference + half * columns);
}

template <typename T>
int64_t DctMatrix<T>::scratch_rows() const {
  return even_ == nullptr ? 0 : (samples_ + 1) / 2 * 2 + even_->scratch_rows();
}

template <typename T>
int64_t DctMatrix<T>::elements() const {
  return static_cast<int64_t>(2 * matrix_.size()) + (even_ == nullptr ? 0 : even_->elements());
}

template <typename T>
double DctMatrix<T>::cost(const DctShape& shape) {
  const auto n = static_cast<double>(shape.samples), k = static_cast<double>(shape.frequencies);
  if (!splits(shape)) {
    return n * k;
  }
  return std::ceil(n / 2) * std::floor(k / 2) + n + cost(even_half(shape));
}

template class DctMatrix<float>;
template class DctMatrix<double>;

}  // namespace phasenet
