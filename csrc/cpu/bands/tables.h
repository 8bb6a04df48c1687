// The pyramid's filters on the half spectrum of a real image, computed once per size.
#pragma once

#include <memory>
#include <vector>

#include "../../common/geometry.h"

namespace phasenet {

// Of a scale, of which each level has as many as its octave.
struct LevelTable {
  Size size;
  // [nbands, h, w / 2 + 1], rows and columns in FFT order of this level. The size of an entry is
  // sqrt(c) |cos d|^n times the radial masks that lead to this band; its sign is that of cos d,
  // which tells on which half plane (at the frequency or its opposite) the analytic band lives.
  std::vector<double> weights;
};

struct SpectralTables {
  Size image;
  int64_t nbands;
  std::vector<double> highpass;    // [H, W / 2 + 1]
  std::vector<LevelTable> levels;  // scales 1, 2, ...
  LevelTable lowpass;              // [h, w / 2 + 1]

  size_t bytes() const {
    size_t entries = highpass.size() + lowpass.weights.size();
    for (const LevelTable& level : levels) {
      entries += level.weights.size();
    }
    return entries * sizeof(double);
  }
};

// Tables are immutable and shared; those of the last few sizes asked for are kept.
std::shared_ptr<const SpectralTables> spectral_tables(
    Size image, int64_t height, int64_t nbands, Octave octave = {});

}  // namespace phasenet
