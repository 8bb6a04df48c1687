// Half spectra, and which of their frequencies a thread filters.
#pragma once

#include <algorithm>
#include <cstdint>

#include "filters.cuh"

namespace phasenet::cuda {

// Threads of a block: few, so that small levels have blocks enough.
constexpr int kFilterThreads = 64;
// Blocks a multiprocessor holds at once; told so, the compiler does not spill for more of them.
template <typename T>
constexpr int kResident = sizeof(T) == 4 ? 16 : 8;

// Rows and columns stay below it, so that twice a frequency fits an int.
constexpr int64_t kMostSide = int64_t{1} << 30;

// Half spectra [N, h, w / 2 + 1] of real planes, or none. `Value`: Complex<T>, const or not.
template <typename Value>
struct HalfSpectra {
  Value* values = nullptr;
  int h = 0;
  unsigned columns = 0, area = 0;

  HalfSpectra() = default;
  explicit HalfSpectra(const Tensor& of)
      : values(static_cast<Value*>(of.mutable_data_ptr())),
        h(static_cast<int>(of.size(1))),
        columns(static_cast<unsigned>(of.size(2))),
        area(columns * static_cast<unsigned>(h)) {
    const bool sides_fit = std::max(of.size(1), of.size(2)) < kMostSide;
    const bool area_fits = of.size(1) * of.size(2) < int64_t{1} << 32;
    STD_TORCH_CHECK(sides_fit && area_fits, "phasenet: an image is too large");
  }

  // Whether there are some, with frequency (k, x).
  __device__ __forceinline__ bool have(int k, int x) const {
    return values != nullptr && holds(h, k) && static_cast<unsigned>(x) < columns;
  }
  __device__ __forceinline__ Value& at(unsigned plane, int k, int x) const {
    const unsigned in_plane = static_cast<unsigned>(index_of(k, h)) * columns;
    return values[uint64_t{plane} * area + (in_plane + static_cast<unsigned>(x))];
  }
};

// Divides numbers below 2^31 by what is known before a launch (Granlund & Montgomery, Division by
// invariant integers using multiplication, 1994, figure 4.1).
struct Divisor {
  unsigned by = 1, factor = 1, shift = 0;

  Divisor() = default;
  explicit Divisor(int64_t divisor) : by(static_cast<unsigned>(divisor)) {
    while ((uint64_t{1} << shift) < by) {
      ++shift;
    }
    factor = static_cast<unsigned>((((uint64_t{1} << shift) - by) << 32) / by + 1);
  }

  __device__ __forceinline__ unsigned quotient(unsigned of) const {
    return (static_cast<unsigned>((uint64_t{of} * factor) >> 32) + of) >> shift;
  }
};

// The frequencies of planes' half spectra, as a launch goes through them: along the rows and from
// plane to plane, threads one after another without gaps, each at a frequency (k, x) and at
// (-k, x), which has the same radius.
class Frequencies {
 public:
  Frequencies() = default;
  Frequencies(Size plane, int64_t planes) {
    const int64_t of_plane = (plane.h / 2 + 1) * half_columns(plane.w);
    STD_TORCH_CHECK(
        planes * of_plane < int64_t{1} << 31,
        "phasenet: too much at once for one launch: images [",
        planes,
        ", ",
        plane.h,
        ", ",
        plane.w,
        "]");
    all_ = static_cast<unsigned>(planes * of_plane);
    of_plane_ = Divisor(of_plane);
    columns_ = Divisor(half_columns(plane.w));
  }

  __host__ __device__ __forceinline__ unsigned blocks() const {
    return (all_ + kFilterThreads - 1) / kFilterThreads;
  }

  // Calls visit(plane, y, x) for this thread's frequency, y from 0 to h / 2. `block`: of blocks().
  template <typename Visit>
  __device__ __forceinline__ void visit(unsigned block, const Visit& visit) const {
    const unsigned at = block * kFilterThreads + threadIdx.x;
    if (at < all_) {
      const unsigned plane = of_plane_.quotient(at);
      const unsigned in_plane = at - plane * of_plane_.by;
      const unsigned y = columns_.quotient(in_plane);
      visit(plane, static_cast<int>(y), static_cast<int>(in_plane - y * columns_.by));
    }
  }

 private:
  unsigned all_ = 0;
  Divisor of_plane_, columns_;
};

// Calls visit(0, k) for the signed frequency of row y of h, y <= h / 2, and visit(1, -k) where that
// is another.
template <typename Visit>
__device__ __forceinline__ void for_both_signs(int y, int h, const Visit& visit) {
  const int k = signed_frequency(y, h);
  visit(0, k);
  if (k > 0) {
    visit(1, -k);
  }
}

}  // namespace phasenet::cuda
