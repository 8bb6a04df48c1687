// What surrounds the matrix products of transforms along y: sums and differences of rows that
// mirror each other, elementwise products, transposes. Columns come in whole vectors.

// Rows i < ceil(n / 2): sum[i] = in[i] + in[n - 1 - i], difference[i] = in[i] - in[n - 1 - i]. A
// row in the middle is its own mirror image and counts once.
template <typename T>
void fold_rows(const T* in, int64_t stride, int64_t n, int64_t columns, T* sum, T* difference) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t i = 0; i < n / 2; ++i) {
    const T* upper = in + i * stride;
    const T* lower = in + (n - 1 - i) * stride;
    for (int64_t x = 0; x < columns; x += lanes) {
      const Vector<T> a = load(upper + x), b = load(lower + x);
      store(sum + i * columns + x, a + b);
      store(difference + i * columns + x, a - b);
    }
  }
  for (int64_t x = 0; n % 2 != 0 && x < columns; x += lanes) {
    store(sum + n / 2 * columns + x, load(in + n / 2 * stride + x));
    store(difference + n / 2 * columns + x, Vector<T>{});
  }
}

// Rows i < ceil(n / 2): out[i] = even[i] + odd[i] and out[n - 1 - i] = even[i] - odd[i], or its
// negative if `antisymmetric`.
template <typename T>
void unfold_rows(
    const T* even,
    const T* odd,
    int64_t n,
    int64_t columns,
    bool antisymmetric,
    bool accumulate,
    T* out,
    int64_t stride) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t i = 0; i < (n + 1) / 2; ++i) {
    T* upper = out + i * stride;
    T* lower = out + (n - 1 - i) * stride;
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

// out = a * b, element by element; rows of `columns` elements, those of b and out dense.
template <typename T>
void multiply_rows(const T* a, int64_t stride, const T* b, int64_t rows, int64_t columns, T* out) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t x = 0; x < columns; x += lanes) {
      store(out + i * columns + x, load(a + i * stride + x) * load(b + i * columns + x));
    }
  }
}

// out [columns, rows] from in [rows, columns], both in squares of 16: whole squares are read and
// written, so strides and memory reach to multiples of 16 both ways.
template <typename T>
void transpose_rows(
    const T* in, int64_t stride, int64_t rows, int64_t columns, T* out, int64_t out_stride) {
  constexpr int64_t lanes = Lanes<T>::count;
  for (int64_t y = 0; y < rows; y += lanes) {
    for (int64_t x = 0; x < columns; x += lanes) {
      Vector<T> square[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        square[i] = load(in + (y + i) * stride + x);
      }
      transpose<T>(square);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        store(out + (x + i) * out_stride + y, square[i]);
      }
    }
  }
}
