// CUDA's words with a meaning on the CPU, so that the tests run the kernels' own sources without a
// GPU. Only what the kernels use. Shared memory is dynamic only: it is new and filled with NaN for
// every block, and AddressSanitizer sees where it ends.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <type_traits>

#include "fibers.h"
#include "tensor_cores.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {
  }
};

inline uint3 threadIdx, blockIdx;
inline dim3 blockDim, gridDim;

namespace emulation {

constexpr size_t kSharedLimit = size_t{227} << 10;  // of a block on the largest device

// A kernel's launch, its parameters as CUDA lays them out.
struct LaunchRecord {
  const void* kernel;
  uint32_t grid[3], threads[3];
  uint64_t shared_bytes;
  const unsigned char* parameters;
  uint64_t parameter_bytes;
};

struct Settings {
  Order order = Order::forward;
  uint32_t seed = 0;
  size_t shared_limit = kSharedLimit;  // what the emulated device claims to have
  int64_t multiprocessors = 132;       // and these
  int64_t architecture = 90;           // for which kernels claim to be compiled
  int64_t l2_bytes = int64_t{50} << 20;
  int64_t launches = 0;
  void (*instead)(const LaunchRecord*) = nullptr;  // called rather than the kernel, if any
};
inline Settings settings;
inline std::unique_ptr<unsigned char, decltype(&std::free)> shared{nullptr, &std::free};

inline unsigned char* shared_bytes() {
  return shared.get();
}

// Memory of its own for every block, exactly as long as asked for.
inline void renew_shared(size_t bytes) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 128, std::max<size_t>(bytes, 1)) != 0) {
    throw std::bad_alloc();
  }
  std::memset(memory, 0xff, bytes);
  shared.reset(static_cast<unsigned char*>(memory));
}

inline void check_launch(dim3 grid, dim3 block, size_t bytes) {
  const uint64_t threads = uint64_t{block.x} * block.y * block.z;
  const bool fits = threads >= 1 && threads <= 1024 && block.z <= 64 && grid.x >= 1 &&
                    grid.x <= 0x7fffffff && grid.y >= 1 && grid.y <= 65535 && grid.z >= 1 &&
                    grid.z <= 65535;
  if (!fits || bytes > settings.shared_limit) {
    throw std::runtime_error("a launch that no device takes");
  }
}

// One after another, each at the alignment of its type.
template <typename... Parameters>
std::vector<unsigned char> in_a_row(const Parameters&... parameters) {
  std::vector<unsigned char> row;
  const auto append = [&row](const auto& value) {
    const size_t at = (row.size() + alignof(decltype(value)) - 1) & ~(alignof(decltype(value)) - 1);
    row.resize(at + sizeof(value));
    std::memcpy(row.data() + at, &value, sizeof(value));
  };
  (append(parameters), ...);
  return row;
}

template <typename... Parameters>
void run(
    void (*kernel)(Parameters...),
    dim3 grid,
    dim3 block,
    size_t bytes,
    std::type_identity_t<Parameters>... parameters) {
  static std::mutex one_at_a_time;
  const std::lock_guard<std::mutex> lock(one_at_a_time);
  check_launch(grid, block, bytes);
  if (settings.instead != nullptr) {
    const auto row = in_a_row(parameters...);
    const LaunchRecord record{
        reinterpret_cast<const void*>(kernel),
        {grid.x, grid.y, grid.z},
        {block.x, block.y, block.z},
        bytes,
        row.data(),
        row.size()};
    settings.instead(&record);
    return;
  }
  Block::launch_begins();
  const ordering::Unseen unseen;
  ++settings.launches;
  gridDim = grid;
  blockDim = block;
  const int threads = static_cast<int>(block.x * block.y * block.z);
  const std::function<void()> start = [&] { kernel(parameters...); };
  const std::function<void(int)> enter = [&](int i) {
    threadIdx.x = i % block.x;
    threadIdx.y = i / block.x % block.y;
    threadIdx.z = i / (block.x * block.y);
  };
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  for (uint64_t i = 0; i < blocks; ++i) {
    const uint64_t index = settings.order == Order::backward ? blocks - 1 - i : i;
    blockIdx.x = index % grid.x;
    blockIdx.y = index / grid.x % grid.y;
    blockIdx.z = index / (uint64_t{grid.x} * grid.y);
    renew_shared(bytes);
    Block::choose(index).run(
        threads, settings.order, settings.seed + static_cast<uint32_t>(i), start, enter);
  }
  Block::launch_ended();
}

template <typename T>
uint64_t bits_of(T value) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  return bits;
}

template <typename T>
T shuffle(const char* at, uint32_t mask, T value, int source) {
  uint32_t present = 0;
  const uint64_t* all = Block::current().wait_for_warp(at, mask, bits_of(value), &present);
  T result = value;
  if (source >= 0 && source < kWarp && (present >> source & 1)) {
    std::memcpy(&result, &all[source], sizeof(T));
  }
  return result;
}

// A product of matrices of which each lane has a part; see tensor_cores.h.
inline void add_product(float (&sum)[4], const uint32_t (&own)[6], int blocks) {
  Block& block = Block::current();
  const auto* all = block.exchange_factors("add_product", own);
  const ordering::Unseen unseen;
  add_product(sum, block.lane(), blocks, [&](int lane, int which) { return all[lane][which]; });
}

inline void add_single_product(float (&sum)[4], const uint32_t (&own)[6]) {
  Block& block = Block::current();
  const auto* all = block.exchange_factors("add_single_product", own);
  const ordering::Unseen unseen;
  add_single_product(sum, block.lane(), [&](int lane, int which) { return all[lane][which]; });
}

}  // namespace emulation

inline void __syncthreads() {
  emulation::Block::current().wait_for_block("__syncthreads", false);
}

inline int __syncthreads_or(int value) {
  return emulation::Block::current().wait_for_block("__syncthreads_or", value != 0);
}

inline void __syncwarp(uint32_t mask = 0xffffffff) {
  uint32_t present = 0;
  emulation::Block::current().wait_for_warp("__syncwarp", mask, 0, &present, true);
}

inline uint32_t __ballot_sync(uint32_t mask, int value) {
  uint32_t present = 0, result = 0;
  const uint64_t* all =
      emulation::Block::current().wait_for_warp("__ballot_sync", mask, value != 0, &present);
  for (int i = 0; i < emulation::kWarp; ++i) {
    result |= ((present >> i & 1) != 0 && all[i] != 0) ? 1u << i : 0u;
  }
  return result;
}

template <typename T>
T __shfl_sync(uint32_t mask, T value, int source) {
  return emulation::shuffle("__shfl_sync", mask, value, source % emulation::kWarp);
}

template <typename T>
T __shfl_xor_sync(uint32_t mask, T value, int lanes) {
  const int self = emulation::Block::current().lane();
  return emulation::shuffle("__shfl_xor_sync", mask, value, self ^ lanes);
}

template <typename T>
T __shfl_down_sync(uint32_t mask, T value, unsigned lanes) {
  const int self = emulation::Block::current().lane();
  return emulation::shuffle("__shfl_down_sync", mask, value, self + static_cast<int>(lanes));
}

template <typename T>
T __shfl_up_sync(uint32_t mask, T value, unsigned lanes) {
  const int self = emulation::Block::current().lane();
  return emulation::shuffle("__shfl_up_sync", mask, value, self - static_cast<int>(lanes));
}

inline uint32_t __reduce_max_sync(uint32_t mask, uint32_t value) {
  uint32_t present = 0, result = 0;
  const uint64_t* all =
      emulation::Block::current().wait_for_warp("__reduce_max_sync", mask, value, &present);
  for (int i = 0; i < emulation::kWarp; ++i) {
    result = (present >> i & 1) != 0 ? std::max(result, static_cast<uint32_t>(all[i])) : result;
  }
  return result;
}

namespace emulation {

// div.approx.ftz.f32, but for its last bits, of b >= 0: none of divisors above 2^126.
inline float approximate_quotient(float a, float b) {
  return b > 0x1p126f && std::isfinite(a) ? 0.0f : a / b;
}

}  // namespace emulation

inline uint32_t __float_as_uint(float x) {
  return static_cast<uint32_t>(emulation::bits_of(x));
}

inline float __uint_as_float(uint32_t bits) {
  float x = 0;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

template <typename T>
T __ldg(const T* pointer) {
  return *pointer;
}

inline int __popc(uint32_t x) {
  return __builtin_popcount(x);
}

inline int __ffs(uint32_t x) {
  return __builtin_ffs(static_cast<int>(x));
}

inline double cospi(double x) {
  return std::cos(M_PI * x);
}

inline double sinpi(double x) {
  return std::sin(M_PI * x);
}
