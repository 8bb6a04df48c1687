// Transforms along one axis as the pyramid takes them: rows to and from device memory, columns with
// the filters. Planes between them are complex and hold frequencies along x; float32 only.
#pragma once

#include "filters.cuh"

namespace phasenet::cuda {

// Values of a line of a half spectrum: w / 2 + 1, then what fills whole sectors of memory.
inline int64_t half_pitch(int64_t w) {
  return w / 2 + 4;
}

// Real values, [planes, h, w]: one by one or, of bands, as complex numbers whose imaginary parts
// are not read and are written as zero. Half spectra: [planes, h, half_pitch(w)]; at the Nyquist
// frequency, where their filters are zero, bands have none.
struct RealRows {
  float* real;
  Complex<float>* half;
  int rows;  // planes * h, even
  int w;
  bool is_band;
};

// Complex bands, [images * count, h, w], and their planes of the same size: column k, and column
// -k as its conjugate at w / 2 + k, 0 < k < w / 2. Of columns from the band's `limits` on, in both
// halves, nothing is read or written; they are zero.
struct BandRows {
  Complex<float>* bands;
  Complex<float>* planes;
  int rows;
  int h_log2, w;
  int count;
  int limits[kMostBands][2];
};

// Bands have no Nyquist frequency along x, see above.
enum class Mask { none, band, highpass, lowpass };

// Of filters narrower than an octave, as plateau_mask() takes them; else of no width.
struct Plateau {
  float low, high, inverse_width;
};

// Half spectra of images, [images, image_h, half_pitch(image_w)], and planes that filters have made
// of them or that are to be filtered: [images, count, h, pitch].
struct Columns {
  Complex<float>* spectra;
  Complex<float>* planes;
  int images;
  int image_h, image_w, h, w;
  Mask mask;
  Plateau plateau;
  Steps<float> steps;    // to radii of which the mask's octave is that of 1
  Complex<float> scale;  // of every value
  int order;             // of angular filters, or 0 if there are none
  float least;           // of an angular filter: 0 of analytic bands
  bool one_sided;        // analytic bands, with both halves as BandRows has them; else half spectra
  bool add;              // to the spectra, rather than overwriting them
  int count;
  float cosine[kMostBands], sine[kMostBands];
  int limits[kMostBands][2];
  int groups;  // blocks that share the bands of some columns
};

class Launch;

// Twice the half spectra of real values.
void transform_rows(const Launch& launch, const RealRows& p);
// Half spectra to real values, not normalised.
void restore_rows(const Launch& launch, const RealRows& p);
// Bands to their planes.
void transform_rows(const Launch& launch, const BandRows& p);
// Planes to bands, not normalised.
void restore_rows(const Launch& launch, const BandRows& p);
// Spectra, filtered, to planes.
void analyze_columns(const Launch& launch, Columns p);
// The sum of planes, filtered, to spectra.
void synthesize_columns(const Launch& launch, const Columns& p);

// Shared memory of a block at most, bytes.
int64_t most_shared_bytes(Size size);

}  // namespace phasenet::cuda
