// out (+)= a b for small row-major matrices. Columns come in whole vectors: b and out are padded.

template <typename T, int kRows, int kColumns>
inline void matmul_block(
    const T* a,
    int64_t a_stride,
    const T* b,
    int64_t b_stride,
    int64_t depth,
    bool accumulate,
    T* out,
    int64_t out_stride) {
  constexpr int64_t lanes = Lanes<T>::count;
  Vector<T> sum[kRows][kColumns];
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      sum[r][c] = accumulate ? load(out + r * out_stride + c * lanes) : Vector<T>{};
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    Vector<T> right[kColumns];
    for (int c = 0; c < kColumns; ++c) {
      right[c] = load(b + k * b_stride + c * lanes);
    }
    for (int r = 0; r < kRows; ++r) {
      const T left = a[r * a_stride + k];
      for (int c = 0; c < kColumns; ++c) {
        sum[r][c] += left * right[c];
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kColumns; ++c) {
      store(out + r * out_stride + c * lanes, sum[r][c]);
    }
  }
}

template <typename T, int kColumns>
inline void matmul_columns(
    const T* a,
    int64_t a_stride,
    const T* b,
    int64_t b_stride,
    int64_t rows,
    int64_t depth,
    bool accumulate,
    T* out,
    int64_t out_stride) {
  constexpr int kRows = 4;  // 12 sums, 3 factors and 1 scalar fill 16 registers
  int64_t r = 0;
  for (; r + kRows <= rows; r += kRows) {
    matmul_block<T, kRows, kColumns>(
        a + r * a_stride,
        a_stride,
        b,
        b_stride,
        depth,
        accumulate,
        out + r * out_stride,
        out_stride);
  }
  for (; r < rows; ++r) {
    matmul_block<T, 1, kColumns>(
        a + r * a_stride,
        a_stride,
        b,
        b_stride,
        depth,
        accumulate,
        out + r * out_stride,
        out_stride);
  }
}

template <typename T>
void matmul(
    const T* a,
    int64_t a_stride,
    const T* b,
    int64_t b_stride,
    int64_t rows,
    int64_t depth,
    int64_t columns,
    bool accumulate,
    T* out,
    int64_t out_stride) {
  constexpr int64_t lanes = Lanes<T>::count;
  int64_t c = 0;
  for (; c + 3 * lanes <= columns; c += 3 * lanes) {
    matmul_columns<T, 3>(
        a, a_stride, b + c, b_stride, rows, depth, accumulate, out + c, out_stride);
  }
  for (; c + 2 * lanes <= columns; c += 2 * lanes) {
    matmul_columns<T, 2>(
        a, a_stride, b + c, b_stride, rows, depth, accumulate, out + c, out_stride);
  }
  for (; c < columns; c += lanes) {
    matmul_columns<T, 1>(
        a, a_stride, b + c, b_stride, rows, depth, accumulate, out + c, out_stride);
  }
}
