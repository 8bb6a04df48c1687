// Runs CUDA kernels under ThreadSanitizer, which ends the process at the first race. `races WHAT`:
// operators, at sizes that leave partial tiles, or a kernel that needs the calls it is given here.
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdio>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <type_traits>
#include <utility>

#include "../../csrc/cuda/device.h"
#include "../../csrc/cuda/operators.h"

namespace {

using phasenet::cuda::Launch;
using phasenet::cuda::ScalarType;
using phasenet::cuda::Tensor;

constexpr ScalarType kFloat = ScalarType::Float, kDouble = ScalarType::Double;
constexpr ScalarType kBytes = ScalarType::Byte;

// Uniform from 0 to `most`.
Tensor random(const std::vector<int64_t>& sizes, ScalarType dtype, double most) {
  const Tensor tensor = torch::stable::empty(sizes, dtype);
  std::mt19937 numbers;
  const auto fill = [&](auto* values, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      values[i] = static_cast<std::remove_pointer_t<decltype(values)>>(
          most * numbers() / std::mt19937::max());
    }
  };
  void* data = tensor.mutable_data_ptr();
  switch (dtype) {
    case ScalarType::Byte:
      fill(static_cast<uint8_t*>(data), tensor.numel());
      break;
    case ScalarType::Float:
      fill(static_cast<float*>(data), tensor.numel());
      break;
    case ScalarType::ComplexFloat:
      fill(static_cast<float*>(data), 2 * tensor.numel());
      break;
    case ScalarType::Double:
      fill(static_cast<double*>(data), tensor.numel());
      break;
    default:
      fill(static_cast<double*>(data), 2 * tensor.numel());
  }
  return tensor;
}

// Both transforms and both adjoints.
void pyramid(
    const std::vector<int64_t>& sizes,
    int64_t height,
    int64_t nbands,
    ScalarType dtype,
    int64_t count = 1) {
  const Tensor images = random(sizes, dtype, 255);
  const double width = 1.0 / static_cast<double>(count);
  const std::vector<Tensor> parts =
      phasenet::cuda::pyramid(images, height, nbands, count, width, {});
  if (dtype == kBytes) {
    return;
  }
  const std::vector<Tensor> bands(parts.begin() + 1, parts.end() - 1);
  phasenet::cuda::pyramid_inverse(parts.front(), bands, parts.back(), count, width, {});
  phasenet::cuda::pyramid_backward(parts.front(), bands, parts.back(), count, width, {});
  phasenet::cuda::pyramid_inverse_backward(images, height, nbands, count, width, {});
}

struct Windows {
  std::vector<int64_t> frames;  // their shape
  int64_t num_phase, nbands;
  std::string unwrap, boundary;
  ScalarType dtype = kFloat;
  std::optional<ScalarType> out = std::nullopt;
  double most = 255;
};

// On a device that is another in this: of one multiprocessor, for runs of several frames, or of an
// architecture that has no walk along squares on tensor cores.
template <typename Run>
void on_device(int64_t emulation::Settings::* setting, int64_t value, const Run& run) {
  const int64_t usual = std::exchange(emulation::settings.*setting, value);
  run();
  emulation::settings.*setting = usual;
}
constexpr auto kMultiprocessors = &emulation::Settings::multiprocessors;
constexpr auto kArchitecture = &emulation::Settings::architecture;

// The windows and, where there is one, their gradient.
void windows(const Windows& of) {
  const Tensor frames = random(of.frames, of.dtype, of.most);
  const std::vector<int64_t> levels{1, 2};
  const std::vector<Tensor> result = phasenet::cuda::phase_difference_windows(
      frames, of.num_phase, 4, of.nbands, levels, of.unwrap, of.boundary, of.out);
  if (of.dtype != kBytes && !of.out) {
    phasenet::cuda::phase_difference_windows_backward(
        result, frames, of.num_phase, 4, of.nbands, levels, of.unwrap, of.boundary);
  }
}

void band_phase(ScalarType dtype) {
  phasenet::cuda::band_phase(random({3, 9, 67}, dtype, 1));
}

// With a row of several blocks, smoothed and not.
void turn_phase(ScalarType complex, ScalarType real) {
  const Tensor bands = random({2, 5, 300}, complex, 1), state = random({4, 2, 5, 300}, real, 1);
  for (const double smoothing : {0.0, 2.0}) {
    phasenet::cuda::turn_phase(bands, random({2, 5, 300}, real, 1), smoothing);
    phasenet::cuda::turn_phase_push(bands, state, 1, {1, 0, 0, 0, 0}, 2, true, smoothing);
  }
}

using Call = void (*)();

// Twice, threads write a value, read that of the thread `distance` away, and go on.
__global__ void exchange(Call when_written, Call when_read, int distance, float* out) {
  float* shared = phasenet::cuda::shared_memory<float>();
  const int i = static_cast<int>(threadIdx.x);
  for (int turn = 0; turn < 2; ++turn) {
    shared[i] = static_cast<float>(turn);
    when_written();
    out[i] = shared[i ^ distance];
    when_read();
  }
}

void nothing() {
}

void block() {
  __syncthreads();
}

void block_or() {
  __syncthreads_or(1);
}

void warp() {
  __syncwarp();
}

// These exchange values, but order no memory.
void shuffle() {
  __shfl_xor_sync(0xffffffffu, __ballot_sync(0xffffffffu, 1), 1);
}

void run_exchange(Call when_written, Call when_read, int distance) {
  const Tensor out = torch::stable::empty({64}, kFloat);
  const Launch launch(out);
  launch(exchange, 1, 64, 64 * 4, when_written, when_read, distance, out.mutable_data_ptr<float>());
}

// Blocks write to places of their own, but for those `distance` apart.
__global__ void overlap(unsigned distance, float* out) {
  out[blockIdx.x % distance * blockDim.x + threadIdx.x] = 1;
}

void run_overlap(unsigned distance) {
  const Tensor out = torch::stable::empty({32 * 32}, kFloat);
  const Launch launch(out);
  launch(overlap, 32, 32, 0, distance, out.mutable_data_ptr<float>());
}

// One launch may read what another wrote.
void run_in_turn() {
  const Tensor out = torch::stable::empty({32}, kFloat);
  const Launch launch(out);
  for (int i = 0; i < 3; ++i) {
    launch(overlap, 1, 32, 0, 1u, out.mutable_data_ptr<float>());
  }
}

const std::map<std::string, std::function<void()>> kRuns = {
    {"quick",
     [] {
       pyramid({1, 9, 35}, 4, 2, kFloat);
       pyramid({1, 16, 32}, 4, 2, kFloat);
       windows({{1, 3, 11, 18}, 2, 2, "full", "replicate"});
       windows({{1, 2, 8, 65}, 1, 2, "published", "valid"});
       on_device(kMultiprocessors, 1, [] { windows({{1, 3, 11, 18}, 1, 2, "full", "valid"}); });
       // By tiles, as planes too large for a walk.
       windows({{1, 3, 11, 18}, 2, 2, "full", "replicate", kFloat, kDouble});
       band_phase(ScalarType::ComplexFloat);
       turn_phase(ScalarType::ComplexFloat, kFloat);
     }},
    {"pyramid",
     [] {
       for (const ScalarType dtype : {kFloat, kDouble, kBytes}) {
         pyramid({2, 33, 40}, 4, 3, dtype);
         pyramid({1, 9, 67}, 4, 2, dtype);
         pyramid({3, 4, 5}, 3, 4, dtype);
         pyramid({1, 19, 40}, 4, 3, dtype, 3);
       }
       // By transforms of our own.
       pyramid({3, 64, 128}, 5, 3, kFloat);
       pyramid({1, 8, 512}, 3, 2, kFloat);
       pyramid({1, 512, 8}, 3, 2, kFloat);
       pyramid({2, 16, 32}, 4, 1, kFloat, 2);
       band_phase(ScalarType::ComplexDouble);
       turn_phase(ScalarType::ComplexDouble, kDouble);
     }},
    {"windows",
     [] {
       on_device(kMultiprocessors, 1, [] { windows({{1, 4, 20, 19}, 3, 3, "full", "replicate"}); });
       // By products on tensor cores; several runs, and one.
       windows({{1, 3, 48, 48}, 2, 2, "full", "replicate"});
       on_device(kMultiprocessors, 1, [] {
         windows({{1, 3, 48, 48}, 1, 2, "published", "valid", kBytes, ScalarType::Half});
       });
       on_device(kArchitecture, 80, [] { windows({{1, 3, 48, 48}, 2, 2, "full", "replicate"}); });
       // By tiles, as planes too large for a walk.
       windows({{1, 4, 20, 19}, 3, 3, "full", "replicate", kFloat, kDouble});
       windows({{1, 3, 20, 19}, 2, 2, "full", "valid", kDouble});
       windows({{1, 3, 50, 17}, 2, 2, "published", "replicate"});
       windows({{2, 2, 7, 18}, 1, 2, "full", "replicate", kFloat, std::nullopt, 0});
       windows({{1, 3, 20, 19}, 2, 2, "full", "replicate", kFloat, ScalarType::Half});
       windows({{1, 3, 20, 19}, 2, 2, "published", "valid", kBytes, ScalarType::BFloat16});
     }},
    {"fourier_windows",
     [] {
       windows({{2, 3, 9, 67}, 2, 2, "full", "replicate"});
       windows({{1, 2, 9, 67}, 1, 2, "full", "valid", kDouble});
       windows({{1, 2, 66, 34}, 2, 3, "published", "replicate"});
       windows({{1, 2, 9, 67}, 2, 2, "full", "replicate", kBytes});
     }},
    {"barriers", [] { run_exchange(block, block_or, 32); }},
    {"missing_barrier", [] { run_exchange(nothing, block, 32); }},
    {"missing_second_barrier", [] { run_exchange(block, nothing, 32); }},
    {"syncwarp_for_barrier", [] { run_exchange(warp, block, 32); }},
    {"syncwarps", [] { run_exchange(warp, warp, 1); }},
    {"missing_syncwarp", [] { run_exchange(nothing, warp, 1); }},
    {"missing_second_syncwarp", [] { run_exchange(warp, nothing, 1); }},
    {"shuffle_for_syncwarp", [] { run_exchange(shuffle, warp, 1); }},
    {"launches", run_in_turn},
    {"separate_blocks", [] { run_overlap(32); }},
    {"overlapping_neighbours", [] { run_overlap(1); }},
    {"overlapping_blocks", [] { run_overlap(3); }},
    {"overlapping_far_blocks", [] { run_overlap(27); }},
};

}  // namespace

// The first race ends the process; short histories keep a thousand threads small.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_options() {
  return "halt_on_error=1:history_size=0";
}

int main(int count, char** arguments) {
  const auto run = kRuns.find(count == 2 ? arguments[1] : "");
  if (run == kRuns.end()) {
    std::fputs("races: expected a name of kRuns\n", stderr);
    return 2;
  }
  run->second();
  std::puts("clean");
}
