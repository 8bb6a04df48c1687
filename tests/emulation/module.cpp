// The CUDA operators on numpy arrays, run by fibers on the CPU. Only the tests build this.
#include <pybind11/complex.h>
#include <pybind11/stl.h>

#include "../../csrc/cuda/device.h"
#include "../../csrc/cuda/frequencies.cuh"
#include "../../csrc/cuda/halves.cuh"
#include "../../csrc/cuda/operators.h"
#include "../../csrc/cuda/singles.cuh"
#include "arrays.h"

namespace py = pybind11;
using emulation::in_given_memory;
using emulation::to_array;
using emulation::to_arrays;
using emulation::to_tensor;
using emulation::to_tensors;
using phasenet::cuda::ScalarType;
using phasenet::cuda::Tensor;

namespace {

std::optional<ScalarType> output_dtype(const std::optional<std::string>& name) {
  if (!name) return std::nullopt;
  if (*name == "float16") return ScalarType::Half;
  if (*name == "bfloat16") return ScalarType::BFloat16;
  if (*name == "float32") return ScalarType::Float;
  if (*name == "float64") return ScalarType::Double;
  throw py::value_error("dtype: no output of " + *name);
}

void configure(
    const std::string& order,
    uint32_t seed,
    int64_t shared_limit,
    int64_t multiprocessors,
    int64_t l2_bytes,
    int64_t architecture,
    int64_t offset,
    int64_t alignment) {
  auto& settings = emulation::settings;
  settings.order = order == "backward"   ? emulation::Order::backward
                   : order == "shuffled" ? emulation::Order::shuffled
                                         : emulation::Order::forward;
  settings.seed = seed;
  settings.shared_limit = static_cast<size_t>(shared_limit);
  settings.multiprocessors = multiprocessors;
  settings.l2_bytes = l2_bytes;
  settings.architecture = architecture;
  emulation::offset = offset;
  emulation::alignment = alignment;
}

// What the emulator itself promises, for its own tests.
__global__ void sum_of_block(const float* values, int count, float* out) {
  float* shared = phasenet::cuda::shared_memory<float>();
  const int i = static_cast<int>(threadIdx.x);
  shared[i] = i < count ? values[i] : 0.0f;
  for (int half = static_cast<int>(blockDim.x) / 2; half > 0; half /= 2) {
    __syncthreads();
    if (i < half) {
      shared[i] += shared[i + half];
    }
  }
  if (i == 0) {
    *out = shared[0];
  }
}

__global__ void sum_without_barriers(const float* values, int count, float* out) {
  float* shared = phasenet::cuda::shared_memory<float>();
  const int i = static_cast<int>(threadIdx.x);
  shared[i] = i < count ? values[i] : 0.0f;
  if (i == 0) {
    float sum = 0;
    for (int j = 0; j < static_cast<int>(blockDim.x); ++j) {
      sum += shared[j];
    }
    *out = sum;
  }
}

__global__ void barrier_for_half(float* out) {
  if (threadIdx.x < blockDim.x / 2) {
    __syncthreads();
  } else {
    __syncthreads_or(1);
  }
  *out = 1;
}

__global__ void beyond_shared(float* out) {
  float* shared = phasenet::cuda::shared_memory<float>();
  *out = shared[blockDim.x];
}

__global__ void warp_sums(const float* values, float* out) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  float sum = values[i];
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
  }
  const uint32_t positive = __ballot_sync(0xffffffffu, values[i] > 0);
  out[2 * i] = sum;
  out[2 * i + 1] = static_cast<float>(__popc(positive));
}

// The product of [16, columns] with [columns, 8], rounded to halves, of 16 or 8 columns; behind the
// left factor lies the right one.
__global__ void matrix_product(const float* values, int columns, float* out) {
  using namespace phasenet::cuda;
  const int lane = static_cast<int>(threadIdx.x), r = lane / 4, q = lane % 4 * 2;
  const float* right = values + 16 * columns;
  const auto of_left = [&](int row, int column) {
    return halves(values[row * columns + column], values[row * columns + column + 1]);
  };
  const auto of_right = [&](int row) {
    return halves(right[row * 8 + r], right[(row + 1) * 8 + r]);
  };
  const Columns8 first{of_left(r, q), of_left(r + 8, q)};
  float sum[4] = {};
  if (columns == 8) {
    add_product(sum, first, of_right(q));
  } else {
    add_product(
        sum, first, {of_left(r, q + 8), of_left(r + 8, q + 8)}, of_right(q), of_right(q + 8));
  }
  for (int i = 0; i < 4; ++i) {
    out[(r + i / 2 * 8) * 8 + q + i % 2] = sum[i];
  }
}

// The product of [16, 8] with [8, 8], which lies behind it, of single precision: `parts` of the
// three that its factors' parts make.
__global__ void single_product(const float* values, int parts, float* out) {
  using namespace phasenet::cuda;
  const int lane = static_cast<int>(threadIdx.x), r = lane / 4, q = lane % 4 * 2;
  const float* right = values + 16 * 8;
  Four<float> left[2];
  for (int i = 0; i < 4; ++i) {
    const CutSingle number = cut(values[(r + i % 2 * 8) * 8 + q + i / 2]);
    left[0].at[i] = number.high;
    left[1].at[i] = number.low;
  }
  const Four<float> pair = cut_pair(right[q * 8 + r], right[(q + 1) * 8 + r]);
  float sum[4] = {};
  if (parts == 3) {
    add_product(sum, left[0], pair.at[2], pair.at[3]);
    add_product(sum, left[1], pair.at[0], pair.at[1]);
  }
  add_product(sum, left[0], pair.at[0], pair.at[1]);
  for (int i = 0; i < 4; ++i) {
    out[(r + i / 2 * 8) * 8 + q + i % 2] = sum[i];
  }
}

// Of pairs of numbers, each split, times a whole number: what the halves' sums are.
__global__ void split_times(const float* values, float by, float* out) {
  using namespace phasenet::cuda;
  const int i = 2 * static_cast<int>(threadIdx.x);
  const SplitPair x = multiply(split(values[i], values[i + 1]), halves(by, by));
  float high[2], low[2];
  to_floats(x.high, &high[0], &high[1]);
  to_floats(x.low, &low[0], &low[1]);
  out[i] = high[0] + low[0];
  out[i + 1] = high[1] + low[1];
}

py::array_t<float> probe(const std::string& kernel, const py::array_t<float>& values) {
  const phasenet::cuda::Launch launch(to_tensor(values));
  const int count = static_cast<int>(values.size());
  const int64_t outputs = kernel == "warp_sums"     ? 2 * count
                          : kernel == "split_times" ? count
                          : kernel == "product"     ? 128
                          : kernel == "singles"     ? 128
                          : kernel == "cut_singles" ? 128
                                                    : 1;
  py::array_t<float> out(outputs);
  float* target = out.mutable_data();
  if (kernel == "sum_of_block") {
    launch(sum_of_block, 1, 256, 256 * 4, values.data(), count, target);
  } else if (kernel == "sum_without_barriers") {
    launch(sum_without_barriers, 1, 256, 256 * 4, values.data(), count, target);
  } else if (kernel == "barrier_for_half") {
    launch(barrier_for_half, 1, 64, 0, target);
  } else if (kernel == "beyond_shared") {
    launch(beyond_shared, 1, 64, 64 * 4, target);
  } else if (kernel == "product") {
    launch(matrix_product, 1, 32, 0, values.data(), count / 24, target);
  } else if (kernel == "singles" || kernel == "cut_singles") {
    launch(single_product, 1, 32, 0, values.data(), kernel == "singles" ? 3 : 1, target);
  } else if (kernel == "split_times") {
    launch(split_times, 1, count / 2, 0, values.data(), 3.0f, target);
  } else if (kernel == "warp_sums") {
    launch(warp_sums, count / 64, 64, 0, values.data(), target);
  } else {
    throw py::value_error("kernel: no such probe: " + kernel);
  }
  return out;
}

}  // namespace

PYBIND11_MODULE(phasenet_emulated, m) {
  namespace ops = phasenet::cuda;
  m.def(
      "configure",
      &configure,
      py::arg("order") = "forward",
      py::arg("seed") = 0,
      py::arg("shared_limit") = static_cast<int64_t>(emulation::kSharedLimit),
      py::arg("multiprocessors") = 132,
      py::arg("l2_bytes") = int64_t{50} << 20,
      py::arg("architecture") = 90,
      py::arg("offset") = 0,
      py::arg("alignment") = 0);
  m.def("instead_of_kernels", [](uintptr_t function) {  // null: none
    emulation::settings.instead =
        reinterpret_cast<void (*)(const emulation::LaunchRecord*)>(function);
  });
  m.def("launches", [] { return emulation::settings.launches; });
  m.def(
      "quotient", [](unsigned of, int64_t by) { return phasenet::cuda::Divisor(by).quotient(of); });
  m.def("probe", &probe);
  const auto analysis = [&](const char* name, auto operator_of) {
    m.def(
        name,
        [operator_of](
            const py::array& images,
            int64_t height,
            int64_t nbands,
            int64_t count,
            double width,
            std::vector<int64_t> parts,
            std::vector<int64_t> orientations) {
          return to_arrays(
              operator_of(to_tensor(images), height, nbands, count, width, parts, orientations));
        },
        py::arg("images"),
        py::arg("height"),
        py::arg("nbands"),
        py::arg("bands_per_octave") = 1,
        py::arg("width") = 1.0,
        py::arg("parts") = std::vector<int64_t>(),
        py::arg("orientations") = std::vector<int64_t>());
  };
  analysis("pyramid", &ops::pyramid);
  analysis("pyramid_inverse_backward", &ops::pyramid_inverse_backward);
  const auto synthesis = [&](const char* name, auto operator_of) {
    m.def(
        name,
        [operator_of](
            const py::array& highpass,
            const std::vector<py::array>& bands,
            const py::array& lowpass,
            int64_t count,
            double width,
            std::vector<int64_t> parts,
            int64_t nbands,
            std::vector<int64_t> orientations) {
          return to_array(operator_of(
              to_tensor(highpass),
              to_tensors(bands),
              to_tensor(lowpass),
              count,
              width,
              parts,
              nbands,
              orientations));
        },
        py::arg("highpass"),
        py::arg("bands"),
        py::arg("lowpass"),
        py::arg("bands_per_octave") = 1,
        py::arg("width") = 1.0,
        py::arg("parts") = std::vector<int64_t>(),
        py::arg("nbands") = 0,
        py::arg("orientations") = std::vector<int64_t>());
  };
  synthesis("pyramid_backward", &ops::pyramid_backward);
  synthesis("pyramid_inverse", &ops::pyramid_inverse);
  m.def(
      "phase_difference_windows",
      [](const py::array& frames,
         int64_t num_phase,
         int64_t height,
         int64_t nbands,
         const std::vector<int64_t>& levels,
         const std::string& unwrap,
         const std::string& boundary,
         const std::optional<std::string>& dtype) {
        return to_arrays(
            ops::phase_difference_windows(
                to_tensor(frames),
                num_phase,
                height,
                nbands,
                levels,
                unwrap,
                boundary,
                output_dtype(dtype)));
      },
      py::arg("frames"),
      py::arg("num_phase") = 12,
      py::arg("height") = 4,
      py::arg("nbands") = 2,
      py::arg("levels") = std::vector<int64_t>{1, 2},
      py::arg("unwrap") = "full",
      py::arg("boundary") = "replicate",
      py::arg("dtype") = py::none());
  m.def(
      "phase_difference_windows_backward",
      [](const std::vector<py::array>& grads,
         const py::array& frames,
         int64_t num_phase,
         int64_t height,
         int64_t nbands,
         const std::vector<int64_t>& levels,
         const std::string& unwrap,
         const std::string& boundary) {
        return to_array(
            ops::phase_difference_windows_backward(
                to_tensors(grads),
                to_tensor(frames),
                num_phase,
                height,
                nbands,
                levels,
                unwrap,
                boundary));
      });
  // What they write into memory that is given.
  m.def("pyramid_out", [](const py::array& images, int64_t height, int64_t nbands) {
    const Tensor given = to_tensor(images);
    const std::vector<Tensor> results = ops::pyramid(given, height, nbands, 1, 1, {});
    return to_arrays(in_given_memory(
        results, [&](const auto& out) { ops::pyramid_out(given, height, nbands, 1, 1, out); }));
  });
  m.def(
      "pyramid_inverse_out",
      [](const py::array& highpass, const std::vector<py::array>& bands, const py::array& lowpass) {
        const Tensor high = to_tensor(highpass), low = to_tensor(lowpass);
        const std::vector<Tensor> levels = to_tensors(bands);
        return to_arrays(in_given_memory({high}, [&](const auto& out) {
          ops::pyramid_inverse_out(high, levels, low, 1, 1, out[0]);
        }));
      });
  m.def(
      "phase_difference_windows_out",
      [](const py::array& frames,
         int64_t num_phase,
         const std::vector<int64_t>& levels,
         const std::string& dtype) {
        const Tensor given = to_tensor(frames);
        const auto run = [&](auto operator_of, const auto&... out) {
          return operator_of(
              given, num_phase, 4, 2, levels, "full", "replicate", output_dtype(dtype), out...);
        };
        return to_arrays(in_given_memory(run(&ops::phase_difference_windows), [&](const auto& out) {
          run(&ops::phase_difference_windows_out, out);
        }));
      });
  m.def("band_phase", [](const py::array& bands) {
    return to_array(ops::band_phase(to_tensor(bands)));
  });
  m.def("turn_phase", [](const py::array& bands, const py::array& turns, double smoothing) {
    return to_array(ops::turn_phase(to_tensor(bands), to_tensor(turns), smoothing));
  });
  // The bands and the state that it leaves.
  m.def(
      "turn_phase_push",
      [](const py::array& bands,
         const py::array& state,
         int64_t t,
         const std::vector<double>& filter,
         double gain,
         bool still,
         double smoothing,
         double limit) {
        const Tensor turned = to_tensor(bands), after = to_tensor(state);
        ops::turn_phase_push(turned, after, t, filter, gain, still, smoothing, limit);
        return to_arrays({turned, after});
      });
}
