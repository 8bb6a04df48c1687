// The kernels of the instruction set in use against plain formulas in float64.
// Needs nothing of torch but its headers. Prints one line a check; the exit status is the number of
// those that failed. The argument seeds the inputs.
#include <complex>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <random>
#include <string>

#include "../../csrc/cpu/bands/pyramid_plan.h"
#include "../../csrc/cpu/bands/tables.h"
#include "../../csrc/cpu/scratch.h"

// What torch's library would do for the tables.
extern "C" AOTITorchError torch_parallel_for(
    int64_t begin, int64_t end, int64_t grain, ParallelFunc body, void* context) {
  body(begin, end, context);
  return 0;
}

namespace phasenet {
namespace {

using Plane = std::vector<double>;
using ComplexPlane = std::vector<std::complex<double>>;

std::mt19937_64 random_numbers;
int failures = 0;

template <typename T>
void check(const std::string& what, double error, double float_bar, double double_bar) {
  const double bar = sizeof(T) == 4 ? float_bar : double_bar;
  const bool good = error <= bar;  // not if NaN
  std::printf(
      "%s %s %s: error %.1e, at most %.0e\n",
      good ? "ok" : "FAILED",
      what.c_str(),
      sizeof(T) == 4 ? "float32" : "float64",
      error,
      bar);
  failures += good ? 0 : 1;
}

// |a - b| / |b|
template <typename T>
double relative(const T* a, const Plane& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < b.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(difference / size);
}

// Numbers that T holds exactly, with the kernels' slack behind.
template <typename T>
struct Input {
  Input(int64_t n, double low, double high) : values(n), memory(n + kPlaneSlack) {
    std::uniform_real_distribution<double> uniform(low, high);
    for (int64_t i = 0; i < n; ++i) {
      memory.data()[i] = static_cast<T>(uniform(random_numbers));
      values[i] = static_cast<double>(memory.data()[i]);
    }
  }
  Plane values;
  Scratch<T> memory;
};

Plane blurred(const Plane& in, Size size) {
  Plane out(in.size());
  for (int64_t y = 0; y < size.h; ++y) {
    for (int64_t x = 0; x < size.w; ++x) {
      for (int64_t v = std::max<int64_t>(0, y - 5); v <= std::min(size.h - 1, y + 5); ++v) {
        for (int64_t u = std::max<int64_t>(0, x - 5); u <= std::min(size.w - 1, x + 5); ++u) {
          const double d = double((v - y) * (v - y) + (u - x) * (u - x));
          out[y * size.w + x] += in[v * size.w + u] * std::exp(-d / 8);
        }
      }
    }
  }
  return out;
}

template <typename T>
void check_arctangent() {
  const int64_t n = 10007;
  const Input<T> im(n, -1, 1), re(n, -1, 1);
  const Scratch<T> out(n + kPlaneSlack);
  kernels<T>().atan2(im.memory.data(), re.memory.data(), out.data(), n);
  double worst = 0;
  for (int64_t i = 0; i < n; ++i) {
    worst = std::max(worst, std::abs(out.data()[i] - std::atan2(im.values[i], re.values[i])));
  }
  check<T>("atan2", worst, 1e-6, 1e-15);
}

template <typename T>
void check_matrices() {
  const int64_t rows = 37, depth = 29, columns = 48;
  const Input<T> a(rows * depth, -1, 1), b(depth * columns, -1, 1);
  const Scratch<T> out(rows * columns), turned(rows * columns);
  const Matrix<const T> left{a.memory.data(), depth}, right{b.memory.data(), columns};
  kernels<T>().matmul(left, right, rows, depth, columns, false, {out.data(), columns});
  Plane expected(rows * columns);
  for (int64_t i = 0; i < rows * columns; ++i) {
    for (int64_t k = 0; k < depth; ++k) {
      expected[i] += a.values[i / columns * depth + k] * b.values[k * columns + i % columns];
    }
  }
  check<T>("matmul", relative(out.data(), expected), 1e-6, 1e-14);

  const int64_t square = 32;
  kernels<T>().transpose_rows(right, 16, square, {turned.data(), 16});
  Plane transposed(16 * square);
  for (int64_t i = 0; i < 16 * square; ++i) {
    transposed[i] = b.values[i % 16 * columns + i / 16];
  }
  check<T>("transpose_rows", relative(turned.data(), transposed), 0, 0);
}

template <typename T>
void check_frame(Size size) {
  const int64_t n = size.area();
  const std::string of = " " + std::to_string(size.h) + "x" + std::to_string(size.w);
  const Input<T> re(n, -1, 1), im(n, -1, 1);
  const Scratch<T> scratch = kernel_scratch<T>(size);
  const Scratch<T> phase(n + kPlaneSlack), amplitude(n + kPlaneSlack), denoised(n + kPlaneSlack),
      inverse(n + kPlaneSlack);
  kernels<T>().frame_planes(
      {re.memory.data(), im.memory.data(), size.w},
      size.h,
      size.w,
      {phase.data(), amplitude.data(), denoised.data(), inverse.data()},
      scratch.data());
  Plane a(n), ap(n);
  for (int64_t i = 0; i < n; ++i) {
    a[i] = std::hypot(re.values[i], im.values[i]) + 1e-10;
    ap[i] = a[i] * std::atan2(im.values[i], re.values[i]);
  }
  Plane blurred_amplitude = blurred(a, size), expected = blurred(ap, size);
  for (int64_t i = 0; i < n; ++i) {
    blurred_amplitude[i] = 1 / blurred_amplitude[i];
    expected[i] *= blurred_amplitude[i];
  }
  check<T>("amplitude" + of, relative(amplitude.data(), a), 1e-6, 1e-15);
  check<T>("1 / blur" + of, relative(inverse.data(), blurred_amplitude), 1e-6, 1e-14);
  check<T>("denoised phase" + of, relative(denoised.data(), expected), 1e-6, 1e-14);
}

// Three frames' phases, unwrapped from the first: the difference of the last two.
template <typename T>
void check_window(Size size) {
  const int64_t n = size.area();
  const auto& kernel = kernels<T>();
  const double pi = static_cast<double>(T(kPi));
  const Input<T> first(n, -pi, pi), second(n, -pi, pi), third(n, -pi, pi), amplitude(n, 0.1, 1),
      amplitude_before(n, 0.1, 1), inverse(n, 0.01, 0.02), inverse_before(n, 0.01, 0.02),
      plain(n, -1, 1);
  std::vector<RowWraps> rows(most_row_wraps(size.h, size.w));
  const int64_t elements = kernel.field_elements(size.h, size.w);
  const Scratch<T> field(elements), field_before(elements), scratch(elements + n + kPlaneSlack),
      kept(kernel.kept_elements(size.h, size.w)), out(n + kPlaneSlack);
  std::fill_n(field.data(), elements, T(0));
  std::fill_n(field_before.data(), elements, T(0));
  const auto add = [&](const Input<T>& before, const Input<T>& after, const Input<T>& a, T* to) {
    const int64_t count = kernel.find_wraps(
        before.memory.data(), after.memory.data(), false, size.h, size.w, rows.data());
    kernel.add_wraps(rows.data(), count, a.memory.data(), size.h, size.w, to, scratch.data());
  };
  add(first, second, amplitude_before, field_before.data());
  kernel.keep_wraps(field_before.data(), inverse_before.memory.data(), size.h, size.w, kept.data());
  add(first, second, amplitude, field.data());
  add(second, third, amplitude, field.data());
  const WindowStep<T> step{plain.memory.data(), field.data(), inverse.memory.data(), true};
  kernel.difference(step, size.h, size.w, kept.data(), out.data(), scratch.data());

  const auto turns = [&](const Input<T>& before, const Input<T>& after, int64_t i) {
    const double jump = static_cast<double>(after.memory.data()[i] - before.memory.data()[i]);
    return jump > pi ? -1.0 : (jump < -pi ? 1.0 : 0.0);
  };
  Plane of_before(n), of_this(n);
  for (int64_t i = 0; i < n; ++i) {
    const double one = turns(first, second, i), two = one + turns(second, third, i);
    of_before[i] = 2 * kPi * amplitude_before.values[i] * one;
    of_this[i] = 2 * kPi * amplitude.values[i] * two;
  }
  of_before = blurred(of_before, size);
  of_this = blurred(of_this, size);
  Plane expected(n);
  double mean = 0;
  for (int64_t i = 0; i < n; ++i) {
    expected[i] =
        plain.values[i] + of_this[i] * inverse.values[i] - of_before[i] * inverse_before.values[i];
    mean += expected[i] / double(n);
  }
  for (double& value : expected) {
    value = std::min(5 * kPi, std::max(-5 * kPi, value - mean));
  }
  const std::string of = " " + std::to_string(size.h) + "x" + std::to_string(size.w);
  check<T>("window" + of, relative(out.data(), expected), 2e-6, 1e-14);
}

// sum over k of in[k] e^(sign 2 pi i k x / n) along both axes.
ComplexPlane transformed(const ComplexPlane& in, Size size, double sign) {
  ComplexPlane along_x(in.size()), out(in.size());
  const auto wave = [&](int64_t j, int64_t n) {
    return std::polar(1.0, sign * 2 * kPi * double(j % n) / double(n));
  };
  for (int64_t i = 0; i < size.area(); ++i) {
    for (int64_t k = 0; k < size.w; ++k) {
      along_x[i] += in[i / size.w * size.w + k] * wave(k * (i % size.w), size.w);
    }
  }
  for (int64_t i = 0; i < size.area(); ++i) {
    for (int64_t k = 0; k < size.h; ++k) {
      out[i] += along_x[k * size.w + i % size.w] * wave(k * (i / size.w), size.h);
    }
  }
  return out;
}

template <typename T>
void check_pyramid(Size size, int64_t height, int64_t nbands) {
  const auto& kernel = kernels<T>().planes;
  const PyramidPlan<T> plan(size, height, nbands);
  const auto tables = spectral_tables(size, height, nbands);
  const Input<T> image(size.area(), 0, 1);
  const Scratch<T> spectrum(plan.spectrum_size()), scratch(plan.scratch_size()),
      part(plan.spectrum_size()), out(2 * size.area() + kPlaneSlack);
  const auto& whole = plan.parts[0];
  kernel.forward(image.memory.data(), 1, whole.plane, spectrum.data(), scratch.data());
  const ComplexPlane exact =
      transformed(ComplexPlane(image.values.begin(), image.values.end()), size, -1);
  const std::string of = " " + std::to_string(size.h) + "x" + std::to_string(size.w);
  // The spectrum's entry at the frequency that a plane of size `from` has at (row, column).
  const auto at = [&](Size from, int64_t row, int64_t column) {
    const int64_t y = frequency_index(frequency(row, from.h), size.h);
    return exact[y * size.w + frequency_index(frequency(column, from.w), size.w)];
  };
  // A half spectrum's weight at any frequency: at k, or with sign -1 at -k.
  const auto weight =
      [](const std::vector<double>& half, Size from, int64_t row, int64_t column, double& sign) {
        const bool here = frequency(column, from.w) >= 0;
        sign = here ? 1 : -1;
        const int64_t y = here ? row : (from.h - row) % from.h;
        return half[y * half_columns(from.w) + std::abs(frequency(column, from.w))];
      };
  double sign = 1;
  {
    const FilterUse<T> use{T(1), 0, false};
    kernel.crop(
        {spectrum.data(), size.h, size.w}, whole.filter(0), use, {part.data(), size.h, size.w});
    kernel.inverse(part.data(), whole.plane, 1, out.data(), scratch.data());
    ComplexPlane expected(size.area());
    for (int64_t i = 0; i < size.area(); ++i) {
      const int64_t row = i / size.w, column = i % size.w;
      expected[i] = at(size, row, column) * weight(tables->highpass, size, row, column, sign) /
                    double(size.area());
    }
    expected = transformed(expected, size, 1);
    Plane real(size.area());
    for (int64_t i = 0; i < size.area(); ++i) {
      real[i] = expected[i].real();
    }
    check<T>("highpass" + of, relative(out.data(), real), 1e-6, 1e-13);
  }
  for (size_t number = 0; number < tables->levels.size(); ++number) {
    const auto& level = plan.parts[number + 1];
    const int64_t n = level.size.area();
    double worst = 0;
    for (int64_t band = 0; band < nbands; ++band) {
      const int turns = static_cast<int>(3 * (nbands - 1) % 4);
      kernel.analytic(
          spectrum.data(),
          {level.filter(band), turns, level.plane, size.w},
          out.data(),
          scratch.data());
      const auto& all = tables->levels[number].weights;
      const int64_t half = level.size.h * half_columns(level.size.w);
      const std::vector<double> filter(all.begin() + band * half, all.begin() + (band + 1) * half);
      ComplexPlane expected(n);
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = i / level.size.w, column = i % level.size.w;
        double entry = weight(filter, level.size, row, column, sign);
        entry = std::max(0.0, sign * entry);
        expected[i] = at(level.size, row, column) * (2 * entry / double(n)) *
                      std::pow(std::complex<double>(0, 1), turns);
      }
      expected = transformed(expected, level.size, 1);
      Plane flat(2 * n);
      for (int64_t i = 0; i < n; ++i) {
        flat[2 * i] = expected[i].real();
        flat[2 * i + 1] = expected[i].imag();
      }
      worst = std::max(worst, relative(out.data(), flat));
    }
    check<T>("bands of level " + std::to_string(number + 1) + of, worst, 2e-6, 1e-13);
  }
}

// A mirrored frame's spectrum and quarters of its bands against those of the mirrored plane itself,
// by the kernels that check_pyramid() checks.
template <typename T>
void check_mirrored(Size frame, int64_t height, int64_t nbands) {
  const auto& kernel = kernels<T>().planes;
  const Size size{2 * frame.h, 2 * frame.w};
  const PyramidPlan<T> plan(size, height, nbands);
  const int64_t stride = (frame.w + kFrameColumns - 1) / kFrameColumns * kFrameColumns;
  const Input<T> pixels(frame.area(), 0, 1);
  const Scratch<T> plane(size.area()), rows(frame.h * stride), scratch(plan.scratch_size()),
      whole(plan.spectrum_size()), mirrored(plan.spectrum_size()), band(2 * size.area()),
      re(frame.h * stride), im(frame.h * stride);
  std::fill_n(rows.data(), frame.h * stride, T(0));
  for (int64_t i = 0; i < size.area(); ++i) {
    const int64_t y = i / size.w, x = i % size.w;
    const int64_t from = std::min(y, size.h - 1 - y) * frame.w + std::min(x, size.w - 1 - x);
    plane.data()[i] = pixels.memory.data()[from];
    if (y < frame.h && x < frame.w) {
      rows.data()[y * stride + x] = plane.data()[i];
    }
  }
  const PlanePlan<T>& lines = plan.parts[0].plane;
  kernel.forward(plane.data(), 1, lines, whole.data(), scratch.data());
  kernel.forward_mirrored(rows.data(), stride, lines, mirrored.data(), scratch.data());
  double worst = 0;
  for (size_t number = 1; number + 1 < plan.parts.size(); ++number) {
    const auto& level = plan.parts[number];
    const Size kept{level.size.h / 2, level.size.w / 2};
    const int turns = static_cast<int>(3 * (nbands - 1) % 4);
    for (int64_t b = 0; b < nbands; ++b) {
      const AnalyticBand<T> of{level.filter(b), turns, level.plane, size.w};
      kernel.analytic(whole.data(), of, band.data(), scratch.data());
      kernel.analytic_quarter(mirrored.data(), of, {re.data(), im.data(), stride}, scratch.data());
      Plane expected, got;
      for (int64_t i = 0; i < 2 * kept.area(); ++i) {
        const int64_t y = i / 2 / kept.w, x = i / 2 % kept.w;
        expected.push_back(band.data()[2 * (y * level.size.w + x) + i % 2]);
        got.push_back((i % 2 == 0 ? re : im).data()[y * stride + x]);
      }
      worst = std::max(worst, relative(got.data(), expected));
    }
  }
  const std::string of = " " + std::to_string(frame.h) + "x" + std::to_string(frame.w);
  check<T>("mirrored bands" + of, worst, 2e-6, 1e-13);
}

template <typename T>
void check_all() {
  check_arctangent<T>();
  check_matrices<T>();
  for (const Size size : {Size{19, 33}, Size{48, 48}, Size{5, 3}}) {
    check_frame<T>(size);
    check_window<T>(size);
  }
  check_pyramid<T>({48, 30}, 4, 2);
  check_pyramid<T>({35, 22}, 4, 3);
  check_pyramid<T>({13, 38}, 3, 4);
  check_pyramid<T>({131, 38}, 3, 2);
  check_pyramid<T>({6, 359}, 3, 2);
  check_mirrored<T>({24, 40}, 4, 2);
  check_mirrored<T>({17, 35}, 5, 3);
}

}  // namespace
}  // namespace phasenet

int main(int count, char** arguments) {
  phasenet::random_numbers.seed(count > 1 ? std::strtoull(arguments[1], nullptr, 10) : 0);
  phasenet::check_all<float>();
  phasenet::check_all<double>();
  std::printf("%d checks failed on %s\n", phasenet::failures, phasenet::instruction_set());
  return phasenet::failures;
}
