// The pyramid's filters on the half spectrum of a real image, computed once per size.
#pragma once

#include <memory>
#include <vector>

#include "../../common/geometry.h"

namespace phasenet {

template <typename T>
struct LevelTable {
  Size size;
  // [nbands, h, w / 2 + 1], rows and columns in FFT order of this level. The size of an entry is
  // sqrt(c) |cos d|^n times the radial masks that lead to this band; its sign is that of cos d,
  // which tells on which half plane (at the frequency or its opposite) the analytic band lives.
  std::vector<T> weights;
};

template <typename T>
struct SpectralTables {
  Size image;
  int64_t nbands;
  std::vector<T> highpass;            // [H, W / 2 + 1]
  std::vector<LevelTable<T>> levels;  // levels 1, 2, ...
  LevelTable<T> lowpass;              // [h, w / 2 + 1]

  size_t bytes() const {
    size_t entries = highpass.size() + lowpass.weights.size();
    for (const LevelTable<T>& level : levels) {
      entries += level.weights.size();
    }
    return entries * sizeof(T);
  }
};

// Tables are immutable and shared; those of the last few sizes asked for are kept.
template <typename T>
std::shared_ptr<const SpectralTables<T>> spectral_tables(
    Size image, int64_t height, int64_t nbands);

}  // namespace phasenet
