// The loops on single planes where the CPU time goes, compiled once per instruction set from
// kernels.inl and chosen at run time.
#pragma once

#include <cstdint>

namespace phasenet {

constexpr int64_t kBlurReach = 5;  // 11 taps

template <typename T>
struct FramePlanes {  // each h * w, dense
  T* phase;
  T* amplitude;
  T* denoised;  // blur(amplitude * phase) / blur(amplitude)
  T* inverse;   // 1 / blur(amplitude)
};

template <typename T>
struct WindowFrame {  // what a window reads of one of its frames
  const T* amplitude;
  const T* denoised;
  const T* inverse;
  const int8_t* jumps;  // turns to add from the frame before on; null where the frame is repeated
  int64_t first_row;    // jumps lie in rows first_row ... last_row - 1
  int64_t last_row;
};

// Planes that are read or written need kPlaneSlack elements of memory behind their end: rows are
// handled in whole vectors.
constexpr int64_t kPlaneSlack = 16;

template <typename T>
struct Kernels {
  // Elements of scratch, aligned to 64 bytes, that a call on an h x w plane needs.
  int64_t (*scratch_size)(int64_t h, int64_t w);

  // atan2(im[i], re[i]).
  void (*atan2)(const T* im, const T* re, T* out, int64_t n);

  // out [rows, columns] = a [rows, depth] b [depth, columns], added to what is there if
  // `accumulate`. `columns` is a multiple of 16; strides are in elements.
  void (*matmul)(
      const T* a,
      int64_t a_stride,
      const T* b,
      int64_t b_stride,
      int64_t rows,
      int64_t depth,
      int64_t columns,
      bool accumulate,
      T* out,
      int64_t out_stride);

  // Interleaved complex rows: out[j] = (re + i im) source[j] weights[j], 0 <= j < n, and
  // out[-j] = (re + i im) conj(source[j]) weights[j].
  void (*scale_row)(const T* source, const T* weights, int64_t n, T re, T im, T* out);
  void (*scale_row_mirrored)(const T* source, const T* weights, int64_t n, T re, T im, T* out);

  // The 11 x 11 Gaussian of std 2, not normalised, zeros outside.
  void (*blur)(const T* in, int64_t h, int64_t w, T* out, T* scratch);

  // Real and imaginary parts of a band, rows `stride` apart, to a frame's planes.
  void (*frame_planes)(
      const T* re,
      const T* im,
      int64_t stride,
      int64_t h,
      int64_t w,
      FramePlanes<T> out,
      T* scratch);

  // Turns (-1, 0, 1) that unwrap the step from one frame's phases to the next, and in rows[0] and
  // rows[1] the first row that holds one and the row after the last (h and 0 if none does). With
  // `only_down`, steps below -pi are left alone as the published code does.
  void (*jumps)(
      const T* before,
      const T* after,
      bool only_down,
      int64_t h,
      int64_t w,
      int8_t* out,
      int32_t* rows);

  // One window of one band: `count` + 1 frames to `count` planes of `out`, each the difference of
  // consecutive unwrapped denoised phases, less its mean, clamped.
  void (*window)(
      const WindowFrame<T>* frames, int64_t count, int64_t h, int64_t w, T* out, T* scratch);
};

// The kernels for the best instruction set of this machine. The environment variable
// PHASENET_CPU=baseline|avx2|avx512, read once, asks for a lower one.
template <typename T>
const Kernels<T>& kernels();

// The name of the instruction set in use.
const char* instruction_set();

}  // namespace phasenet
