// The bands of a mirrored frame without mirroring it: by cosine and sine transforms written as
// small matrix products. Exact for every size; worth it for small frames, where matrix products
// are far from their asymptotic cost and Fourier transforms far from their asymptotic speed.
#pragma once

#include <memory>

#include "dct_matrix.h"
#include "tables.h"

namespace phasenet {

template <typename T>
class DctBands {
 public:
  static std::shared_ptr<const DctBands> plan(
      Size frame, int64_t height, int64_t nbands, const std::vector<int64_t>& levels);

  // Multiplications and additions of one frame, without building anything.
  static double cost(
      Size frame, int64_t height, int64_t nbands, const std::vector<int64_t>& levels);

  // `tables` are those of the mirrored frame, twice as large as the frame on each side.
  DctBands(const SpectralTables& tables, const std::vector<int64_t>& levels);

  // Elements of aligned scratch that the steps below share.
  int64_t scratch_size() const {
    return spectrum_size() + 8 * part_size() + matrix_scratch_;
  }
  size_t bytes() const;

  // First a frame [H, W], then its cosine spectrum, then any of its bands. The planes handed back
  // lie in `scratch`, until the next call. Rows of the frame are `frame_stride()` apart.
  T* frame(T* scratch) const {
    return scratch + spectrum_size();
  }
  int64_t frame_stride() const {
    return padded(frame_.w);
  }
  void spectrum(T* scratch) const;
  Parts<const T> band(size_t level_index, int64_t band, T* scratch) const;

 private:
  // Rows and columns that are transposed are padded to whole squares of vectors.
  static int64_t padded(int64_t columns) {
    return (columns + 15) / 16 * 16;
  }

  struct Product {           // weights times the frame's cosine spectrum, transformed along x
    std::vector<T> weights;  // [V, padded(U)]
    bool sine;
  };
  enum Basis { kCosine = 0, kSine = 1, kMinusCosine = 2, kMinusSine = 3 };
  struct Term {  // a product transformed along y, with a sign
    size_t product;
    Basis basis;
  };
  struct Band {
    std::vector<Product> products;
    std::vector<Term> re, im;
  };
  struct Level {
    Size size;                          // of the quarter that is kept
    int64_t rows, columns;              // U, V: frequencies the level reaches
    std::vector<DctMatrix<T>> along_x;  // cosine, sine
    std::vector<DctMatrix<T>> along_y;  // by Basis
    std::vector<Band> bands;
  };

  // The scratch: the spectrum [V, padded(U)]; then a frame or the two parts of a band; then two
  // intermediate planes and the products along x, and what the matrices need.
  int64_t spectrum_size() const {
    return columns_ * padded(rows_);
  }
  int64_t part_size() const {
    return padded(frame_.h) * padded(frame_.w);
  }

  static DctShape level_shape(Size frame, Size whole, int64_t level, bool along_x, Basis basis);
  static Level make_level(const SpectralTables& tables, int64_t level);
  static Band make_band(
      const SpectralTables& tables, const Level& level, int64_t number, int64_t band);

  Size frame_;
  int64_t rows_ = 0, columns_ = 0;      // of the cosine spectrum, the most any level needs
  std::vector<DctMatrix<T>> analysis_;  // along y, along x
  std::vector<Level> levels_;
  int64_t matrix_scratch_ = 0;
};

}  // namespace phasenet
