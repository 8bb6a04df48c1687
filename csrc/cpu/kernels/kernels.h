// The loops on single planes where the CPU time goes, compiled once per instruction set from
// kernels.inl and chosen at run time.
#pragma once

#include <cstdint>

#include "transforms.h"

namespace phasenet {

constexpr int64_t kBlurReach = 5;  // 11 taps

template <typename T>
struct FramePlanes {  // each h * w, dense
  T* phase;
  T* amplitude;
  T* denoised;  // blur(amplitude * phase) / blur(amplitude)
  T* inverse;   // 1 / blur(amplitude)
};

// The phases that wrap, changing by more than pi from one frame to the next, in up to 16 columns of
// a row. Bit i stands for column + i: 2 pi are taken off (down) or added (up) from this frame on.
constexpr int64_t kWrapColumns = 16;
struct RowWraps {
  int32_t row, column;
  uint16_t down, up;
};

// What a difference is made of: planes of one frame and of the one before.
template <typename T>
struct WindowStep {
  const T* plain;  // their denoised phases' difference, without wraps
  // Wraps since the window's first frame times 2 pi amplitude, blurred (see add_wraps); null while
  // there are none.
  const T* field;
  const T* inverse;  // 1 / blur(amplitude)
  bool has_before;   // whether the frame before had wraps already
};

// Rows, dense or `stride` elements apart.
template <typename T>
struct Matrix {
  T* data;
  int64_t stride;
};

constexpr int64_t kMostReach = 160;

// A blur: taps[|k|] for k from -reach to reach, not normalised.
template <typename T>
struct Smoothing {
  const T* taps;
  int64_t reach;  // at most kMostReach
};

// What is made of the phases of coefficients in time: second-order sections in a row, five numbers
// each (b0, b1, b2, a1, a2), on how far a phase has come since the first frame.
template <typename T>
struct PhaseFilter {
  const T* coefficients;
  int64_t sections;
  T gain;      // of what is filtered
  T limit;     // what the turns stay below, or 0
  bool still;  // take off all that the phase has moved
  bool first;  // there is no frame before
};

// Planes that are read or written need kPlaneSlack elements of memory behind their end: rows are
// handled in whole vectors.
constexpr int64_t kPlaneSlack = 16;

inline int64_t most_row_wraps(int64_t h, int64_t w) {
  return h * ((w + kWrapColumns - 1) / kWrapColumns) + 1;
}

template <typename T>
struct Kernels {
  // Elements of scratch, aligned to 64 bytes, that a call on an h x w plane needs.
  int64_t (*scratch_size)(int64_t h, int64_t w);

  // atan2(im[i], re[i]).
  void (*atan2)(const T* im, const T* re, T* out, int64_t n);

  // out [rows, columns] = a [rows, depth] b [depth, columns], added to what is there if
  // `accumulate`. `columns` is a multiple of 16.
  void (*matmul)(
      Matrix<const T> a,
      Matrix<const T> b,
      int64_t rows,
      int64_t depth,
      int64_t columns,
      bool accumulate,
      Matrix<T> out);

  // Rows i < ceil(n / 2): sum[i] = in[i] + in[n - 1 - i], difference[i] = in[i] - in[n - 1 - i]; a
  // row in the middle counts once. `columns`, also the stride of both results, is a multiple of 16.
  void (*fold_rows)(Matrix<const T> in, int64_t n, int64_t columns, T* sum, T* difference);

  // Rows i < ceil(n / 2) of dense even and odd: out[i] (+)= even[i] + odd[i] and
  // out[n - 1 - i] (+)= even[i] - odd[i], or its negative if `antisymmetric`.
  void (*unfold_rows)(
      const T* even,
      const T* odd,
      int64_t n,
      int64_t columns,
      bool antisymmetric,
      bool accumulate,
      Matrix<T> out);

  // out = a * b element by element, the rows of b and out dense.
  void (*multiply_rows)(Matrix<const T> a, const T* b, int64_t rows, int64_t columns, T* out);

  // out [columns, rows] from in [rows, columns]; both are multiples of 16.
  void (*transpose_rows)(Matrix<const T> in, int64_t rows, int64_t columns, Matrix<T> out);

  // The 11 x 11 Gaussian of std 2, not normalised, zeros outside.
  void (*blur)(const T* in, int64_t h, int64_t w, T* out, T* scratch);

  // A band to a frame's planes.
  void (*frame_planes)(Parts<const T> band, int64_t h, int64_t w, FramePlanes<T> out, T* scratch);

  // The wraps from `before` to `after`, planes of h x w, row by row; returns how many `rows` there
  // are, which has room for one more than there can be, most_row_wraps(size). With `only_down`,
  // steps below -pi are left alone as the published code does.
  int64_t (*find_wraps)(
      const T* before, const T* after, bool only_down, int64_t h, int64_t w, RowWraps* rows);

  // Elements of a field: a plane of blurred wraps with margins.
  int64_t (*field_elements)(int64_t h, int64_t w);

  // Elements of what `difference` keeps of a frame: h rows of whole vectors.
  int64_t (*kept_elements)(int64_t h, int64_t w);

  // field += blur(2 pi amplitude * wraps) of these. `scratch` is as large as a field.
  void (*add_wraps)(
      const RowWraps* rows,
      int64_t count,
      const T* amplitude,
      int64_t h,
      int64_t w,
      T* field,
      T* scratch);

  // out = after - before
  void (*subtract)(const T* after, const T* before, int64_t n, T* out);

  // One plane of one window: the difference of the unwrapped denoised phases, less its mean,
  // clamped. `kept` holds what the frame before had of wraps (field *
  // inverse) and gets that of this frame.
  void (*difference)(const WindowStep<T>& step, int64_t h, int64_t w, T* kept, T* out, T* scratch);

  // What `difference` does to `kept`, alone.
  void (*keep_wraps)(const T* field, const T* inverse, int64_t h, int64_t w, T* kept);

  // Elements of scratch that a call of the next two on rows of w needs.
  int64_t (*turn_scratch)(int64_t w, int64_t reach);

  // Turns the phases of a dense complex plane by blur(amplitude * turns) / blur(amplitude).
  void (*turn_plane)(
      const T* band,
      const T* turns,
      int64_t h,
      int64_t w,
      Smoothing<T> smoothing,
      T* out,
      T* scratch);

  // The same in place, the turns being what the filter makes of the phases: x, or with a limit
  // x / (1 + (x / limit)^4)^(1/4). Of `state` there are 2
  // + 2 sections planes, `state_stride` apart: the phase, how far it has come, the sections' own.
  void (*turn_and_filter)(
      T* band,
      T* state,
      int64_t state_stride,
      int64_t h,
      int64_t w,
      const PhaseFilter<T>& filter,
      Smoothing<T> smoothing,
      T* scratch);

  PlaneTransforms<T> planes;
};

// The kernels for the best instruction set of this machine. The environment variable
// PHASENET_CPU=baseline|avx2|avx512, read once, asks for another; one that this machine lacks or
// that does not exist is refused with std::runtime_error.
template <typename T>
const Kernels<T>& kernels();

// The name of the instruction set in use.
const char* instruction_set();

// The names of those this machine can run, by commas.
const char* instruction_sets();

}  // namespace phasenet
