// out (+)= a b for small row-major matrices. Columns come in whole vectors: b and out are padded.

template <typename T>
inline Matrix<T> shifted(Matrix<T> x, int64_t row, int64_t column) {
  return {x.data + row * x.stride + column, x.stride};
}

template <typename T, int kRows, int kColumns>
inline void matmul_block(
    Matrix<const T> a, Matrix<const T> b, int64_t depth, bool accumulate, Matrix<T> out) {
  constexpr int64_t lanes = Lanes<T>::count;
  Vector<T> sum[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      sum[r][c] = accumulate ? load(out.data + r * out.stride + c * lanes) : Vector<T>{};
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector<T> right[kColumns];
    for (int c = 0; c < kColumns; ++c) {
      right[c] = load(b.data + k * b.stride + c * lanes);
    }
    for (int r = 0; r < kRows; ++r) {
      const T left = a.data[r * a.stride + k];
      for (int c = 0; c < kColumns; ++c) {
        sum[r][c] += left * right[c];
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      store(out.data + r * out.stride + c * lanes, sum[r][c]);
    }
  }
}

template <typename T, int kColumns>
inline void matmul_columns(
    Matrix<const T> a,
    Matrix<const T> b,
    int64_t rows,
    int64_t depth,
    bool accumulate,
    Matrix<T> out) {
  constexpr int kRows = 4;  // 12 sums, 3 factors and 1 scalar fill 16 registers
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    matmul_block<T, kRows, kColumns>(shifted(a, r, 0), b, depth, accumulate, shifted(out, r, 0));
  }
  for (; r < rows; ++r) {
    matmul_block<T, 1, kColumns>(shifted(a, r, 0), b, depth, accumulate, shifted(out, r, 0));
  }
}

template <typename T>
void matmul(
    Matrix<const T> a,
    Matrix<const T> b,
    int64_t rows,
    int64_t depth,
    int64_t columns,
    bool accumulate,
    Matrix<T> out) {
  constexpr int64_t lanes = Lanes<T>::count;
  int64_t c = 0;
  for (; c + 3 * lanes <= columns; c += 3 * lanes) {
    matmul_columns<T, 3>(a, shifted(b, 0, c), rows, depth, accumulate, shifted(out, 0, c));
  }
  for (; c + 2 * lanes <= columns; c += 2 * lanes) {
    matmul_columns<T, 2>(a, shifted(b, 0, c), rows, depth, accumulate, shifted(out, 0, c));
  }
  for (; c < columns; c += lanes) {
    matmul_columns<T, 1>(a, shifted(b, 0, c), rows, depth, accumulate, shifted(out, 0, c));
  }
}
