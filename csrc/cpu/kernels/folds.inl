// What surrounds the matrix products of transforms along y: sums and differences of rows that
// mirror each other, elementwise products, transposes (see kernels.h).

template <typename T>
void fold_rows(Matrix<const T> in, int64_t n, int64_t columns, T* sum, T* difference) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t i = 0; i < n / 2; ++i) {
    const T* upper = in.data + i * in.stride;
    const T* lower = in.data + (n - 1 - i) * in.stride;
    for (int64_t x = 0; x < columns; x += lanes) {
      const Vector<T> a = load(upper + x), b = load(lower + x);
      store(sum + i * columns + x, a + b);
      store(difference + i * columns + x, a - b);
    }
  }
  for (int64_t x = 0; n % 2 != 0 && x < columns; x += lanes) {
    store(sum + n / 2 * columns + x, load(in.data + n / 2 * in.stride + x));
    store(difference + n / 2 * columns + x, Vector<T>{});
  }
}

template <typename T>
void unfold_rows(
    const T* even,
    const T* odd,
    int64_t n,
    int64_t columns,
    bool antisymmetric,
    bool accumulate,
    Matrix<T> out) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t i = 0; i < (n + 1) / 2; ++i) {
    T* upper = out.data + i * out.stride;
    T* lower = out.data + (n - 1 - i) * out.stride;
    for (int64_t x = 0; x < columns; x += lanes) {
      const Vector<T> a = load(even + i * columns + x), b = load(odd + i * columns + x);
      const Vector<T> mirrored = antisymmetric ? b - a : a - b;
      if (upper != lower) {
        store(lower + x, accumulate ? load(lower + x) + mirrored : mirrored);
      }
      store(upper + x, accumulate ? load(upper + x) + (a + b) : a + b);
    }
  }
}

template <typename T>
void multiply_rows(Matrix<const T> a, const T* b, int64_t rows, int64_t columns, T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t x = 0; x < columns; x += lanes) {
      store(out + i * columns + x, load(a.data + i * a.stride + x) * load(b + i * columns + x));
    }
  }
}

// Whole squares are read and written, so strides and memory reach to multiples of 16 both ways.
template <typename T>
void transpose_rows(Matrix<const T> in, int64_t rows, int64_t columns, Matrix<T> out) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t y = 0; y < rows; y += lanes) {
    for (int64_t x = 0; x < columns; x += lanes) {
      Vector<T> square[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        square[i] = load(in.data + (y + i) * in.stride + x);
      }
      transpose<T>(square);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        store(out.data + (x + i) * out.stride + y, square[i]);
      }
    }
  }
}
