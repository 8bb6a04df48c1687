// What windows share: planes of every frame, where its phases wrap from the frame before, and the
// means that a window's difference has.
#pragma once

#include <functional>

#include "../common/phase_options.h"
#include "device.h"

namespace phasenet::cuda {

// One level of all frames of a batch of videos, [frames, nbands, h, w] each.
template <typename T>
struct Planes {
  T* phase;
  T* amplitude;
  T* denoised;   // B(a p) / B(a)
  T* inverse;    // 1 / B(a)
  T* influence;  // a B(1 / B(a)): what a wrap at a pixel adds to the sum of the denoised phase
  // Bit masks of the wraps from the frame before, [frames, nbands, h, words]: bit 32 + x of a row
  // is column x. None at a video's first frame.
  uint32_t* down;
  uint32_t* up;
  double* sums;   // [frames, nbands, tiles] of the denoised phase
  double* means;  // [frames, nbands, P + 1]: of the denoised phase, and what the wraps of the last
                  // 1 ... P frames add
  int h, w, words, nbands, tiles;
  bool in_blocks;  // a plane is blocks of 8 x 8, by rows of these, and a block its columns
};

inline int mask_words(int64_t w) {
  return static_cast<int>((w + 31) / 32) + 2;  // an empty one on either side
}

// The planes of every level and the memory they lie in.
template <typename T>
struct PhasePlanes {
  std::vector<Planes<T>> levels;
  Tensor memory;
};

// Of `videos` [N, T, H, W], for each of the options' levels. `whole`: else only phase and
// amplitude, and nothing of the others is there.
template <typename T>
PhasePlanes<T> phase_planes(const Tensor& videos, const PhaseOptions& options, bool whole = true);

// Phase and amplitude of at most `at_once` videos after another, in the same memory, where small
// frames' may lie in blocks; calls
// use(levels, the first of these videos, how many they are).
template <typename T>
void for_phase_planes(
    const Tensor& videos,
    const PhaseOptions& options,
    int64_t at_once,
    const std::function<void(const std::vector<Planes<T>>&, int64_t, int64_t)>& use);

}  // namespace phasenet::cuda
