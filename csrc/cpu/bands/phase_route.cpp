#include "phase_route.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "../kernels/kernels.h"
#include "dct_bands.h"
#include "line_transform.h"

namespace phasenet {
namespace {

// Operations per nanosecond of one thread that the routes reach as a whole, fitted to frames of 24
// to 256 pixels a side (benchmarks/NOTES.md); those of AVX-512 are scaled from AVX2's by what
// matrix products and line transforms reach alone.
struct Rates {
  double products, planes;
};

Rates rates() {
  const std::string set = instruction_set();
  return set == "avx512" ? Rates{135, 65} : set == "avx2" ? Rates{70, 39} : Rates{27, 22};
}

// Numbers are complex here. Beside its transforms each is filtered, transposed and copied.
double fft_cost(const std::vector<Size>& sizes, const PhaseOptions& options) {
  constexpr double kBeside = 12;
  const auto numbers = [](int64_t lines, int64_t length) {
    const double each = line_cost(length) + kBeside;
    return static_cast<double>(lines) * static_cast<double>(length) * each;
  };
  const Size image = sizes[0];
  // Along y pairs of the frame's columns, along x half of the rows.
  double total = numbers(image.w / 4, image.h) + numbers(image.h / 2, image.w);
  for (const int64_t level : options.levels) {
    const Size size = sizes[level - 1];
    const double band = numbers(size.h, size.w) + numbers(size.w / 2, size.h);
    total += static_cast<double>(options.nbands) * band;
  }
  return total;
}

}  // namespace

bool prefers_dct(Size frame, const PhaseOptions& options) {
  const char* variable = std::getenv("PHASENET_TRANSFORM");
  const std::string asked = variable == nullptr ? "" : variable;
  if (asked == "cosine" || asked == "fourier") {
    return asked == "cosine";
  }
  if (!asked.empty()) {
    throw std::runtime_error(
        "phasenet: PHASENET_TRANSFORM: expected cosine or fourier, got '" + asked + "'");
  }
  const std::vector<Size> sizes = level_sizes({2 * frame.h, 2 * frame.w}, options.height);
  const double dct_cost =
      DctBands<float>::cost(frame, options.height, options.nbands, options.levels);
  return dct_cost / rates().products < fft_cost(sizes, options) / rates().planes;
}

}  // namespace phasenet
