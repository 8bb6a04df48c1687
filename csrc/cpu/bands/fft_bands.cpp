#include "fft_bands.h"

namespace phasenet {

template <typename T>
void FftBands<T>::spectrum(T* scratch, T* spectrum) const {
  kernels<T>().planes.forward_mirrored(
      scratch, frame_stride(), pyramid_->parts[0].plane, spectrum, scratch + 2 * part_size());
}

template <typename T>
Parts<const T> FftBands<T>::band(
    size_t level_index, int64_t band, const T* spectrum, T* scratch) const {
  const auto& level = pyramid_->parts[levels_[level_index]];
  const int quarters = static_cast<int>(3 * (pyramid_->nbands - 1) % 4);  // (-i)^(nbands - 1)
  const int64_t stride = padded(level.size.w / 2);
  T* re = scratch;
  T* im = scratch + part_size();
  const AnalyticBand<T> of{level.filter(band), quarters, level.plane, pyramid_->image.w};
  kernels<T>().planes.analytic_quarter(spectrum, of, {re, im, stride}, scratch + 2 * part_size());
  return {re, im, stride};
}

template class FftBands<float>;
template class FftBands<double>;

}  // namespace phasenet
