// What kernels and their host code need of CUDA, in one place: the tests compile the same sources
// for the CPU, where a header of theirs stands in for CUDA's.
#pragma once

#if defined(PHASENET_EMULATED)
#include "cuda_on_cpu.h"
#include "placement.h"
#else
#include <cuda_runtime.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>
#endif

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/core/ScalarType.h>
#include <torch/headeronly/util/shim_utils.h>

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "../common/failures.h"

namespace phasenet::cuda {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// The block's dynamic shared memory; there is no other.
template <typename T>
__device__ __forceinline__ T* shared_memory() {
#if defined(PHASENET_EMULATED)
  return reinterpret_cast<T*>(emulation::shared_bytes());
#else
  extern __shared__ __align__(128) unsigned char phasenet_shared[];
  return reinterpret_cast<T*>(phasenet_shared);
#endif
}

// Read and written at once.
template <typename T>
struct alignas(4 * sizeof(T)) Four {
  T at[4];
};

template <typename T>
struct alignas(2 * sizeof(T)) Two {
  T at[2];
};

// Writes what nothing reads soon: it is the first to leave the caches.
template <typename T>
__device__ __forceinline__ void store_once(Two<T>* to, Two<T> value) {
  static_assert(std::is_same_v<T, float> || sizeof(value) == 4);
#if defined(PHASENET_EMULATED)
  *to = value;
#else
  if constexpr (std::is_same_v<T, float>) {
    __stcs(reinterpret_cast<float2*>(to), make_float2(value.at[0], value.at[1]));
  } else {
    unsigned int bits;
    memcpy(&bits, &value, sizeof(value));
    __stcs(reinterpret_cast<unsigned int*>(to), bits);
  }
#endif
}

__device__ __forceinline__ void store_once(Four<float>* to, const Four<float>& value) {
#if defined(PHASENET_EMULATED)
  *to = value;
#else
  __stcs(
      reinterpret_cast<float4*>(to),
      make_float4(value.at[0], value.at[1], value.at[2], value.at[3]));
#endif
}

__device__ __forceinline__ void store_once(float* to, float value) {
#if defined(PHASENET_EMULATED)
  *to = value;
#else
  __stcs(to, value);
#endif
}

// Reads what nothing reads again soon, likewise.
__device__ __forceinline__ float load_once(const float* from) {
#if defined(PHASENET_EMULATED)
  return *from;
#else
  return __ldcs(from);
#endif
}

__device__ __forceinline__ Two<float> load_once(const Two<float>* from) {
#if defined(PHASENET_EMULATED)
  return *from;
#else
  const float2 value = __ldcs(reinterpret_cast<const float2*>(from));
  return {{value.x, value.y}};
#endif
}

// The thread's number in its block, read anew rather than kept in a register.
__device__ __forceinline__ int thread_index() {
#if defined(PHASENET_EMULATED)
  return static_cast<int>(threadIdx.x);
#else
  uint32_t index;
  asm volatile("mov.u32 %0, %%tid.x;" : "=r"(index));
  __builtin_assume(index < 1024);
  return static_cast<int>(index);
#endif
}

// The same number, of which nothing is made elsewhere: what is made of it is not kept in registers.
__device__ __forceinline__ int anew(int number) {
#if !defined(PHASENET_EMULATED)
  asm volatile("" : "+r"(number));
#endif
  return number;
}
__device__ __forceinline__ int64_t anew(int64_t number) {
#if !defined(PHASENET_EMULATED)
  asm volatile("" : "+l"(number));
#endif
  return number;
}

// Elements that fill whole Fours.
__host__ __device__ constexpr int padded4(int n) {
  return (n + 3) / 4 * 4;
}

// Launches kernels on the device of a tensor, on its current stream; the device is the current one
// for as long as this lives. Nothing is synchronised.
class Launch {
 public:
  explicit Launch(const Tensor& on)
#if defined(PHASENET_EMULATED)
      {}
#else
      : device_(on.get_device_index()), guard_(device_) {
    void* stream = nullptr;
    TORCH_ERROR_CODE_CHECK(aoti_torch_get_current_cuda_stream(device_, &stream));
    stream_ = static_cast<cudaStream_t>(stream);
  }
#endif

  // Most dynamic shared memory a block can ask for.
  int64_t shared_limit() const {
#if defined(PHASENET_EMULATED)
    return static_cast<int64_t>(emulation::settings.shared_limit);
#else
    return attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin);
#endif
  }

  // The virtual architecture, such as 90, for which the code of a kernel was made that runs here.
  template <typename... Parameters>
  int64_t compiled_for(void (*kernel)(Parameters...)) const {
#if defined(PHASENET_EMULATED)
    (void)kernel;
    return emulation::settings.architecture;
#else
    cudaFuncAttributes attributes{};
    check("a kernel's attributes", cudaFuncGetAttributes(&attributes, kernel));
    return attributes.ptxVersion;
#endif
  }

  int64_t multiprocessors() const {
#if defined(PHASENET_EMULATED)
    return emulation::settings.multiprocessors;
#else
    return attribute(cudaDevAttrMultiProcessorCount);
#endif
  }

  int64_t l2_bytes() const {
#if defined(PHASENET_EMULATED)
    return emulation::settings.l2_bytes;
#else
    return attribute(cudaDevAttrL2CacheSize);
#endif
  }

  // Nothing is launched for an empty grid.
  template <typename... Parameters, typename... Arguments>
  void operator()(
      void (*kernel)(Parameters...),
      int64_t blocks,
      dim3 threads,
      int64_t shared_bytes,
      Arguments&&... arguments) const {
    if (blocks == 0) {
      return;
    }
    STD_TORCH_CHECK(
        blocks <= 0x7fffffff, "phasenet: too much at once for one launch: ", blocks, " blocks");
    const dim3 grid(static_cast<unsigned>(blocks));
#if defined(PHASENET_EMULATED)
    emulation::run(
        kernel,
        grid,
        threads,
        static_cast<size_t>(shared_bytes),
        static_cast<Parameters>(arguments)...);
#else
    if (shared_bytes > 48 * 1024) {
      // The device's limit, not this launch's size, which another thread could lower before the
      // launch.
      check(
          "shared memory",
          cudaFuncSetAttribute(
              kernel,
              cudaFuncAttributeMaxDynamicSharedMemorySize,
              static_cast<int>(shared_limit())));
    }
    // clang-format off
    kernel<<<grid, threads, static_cast<size_t>(shared_bytes), stream_>>>(
        static_cast<Parameters>(arguments)...);
    // clang-format on
    check("launch", cudaGetLastError());
#endif
  }

 private:
#if !defined(PHASENET_EMULATED)
  int64_t attribute(cudaDeviceAttr of) const {
    int value = 0;
    check("a device's attribute", cudaDeviceGetAttribute(&value, of, device_));
    return value;
  }

  static void check(const char* what, cudaError_t error) {
    STD_TORCH_CHECK(error == cudaSuccess, "phasenet: CUDA ", what, ": ", cudaGetErrorString(error));
  }

  int32_t device_;
  torch::stable::accelerator::DeviceGuard guard_;
  cudaStream_t stream_ = nullptr;
#endif
};

// Memory of torch's allocator on the device of `like`.
inline Tensor empty_like_device(
    const Tensor& like, const std::vector<int64_t>& sizes, ScalarType dtype) {
  try {
    const auto make = [&](const std::vector<int64_t>& lengths) {
      return torch::stable::new_empty(like, lengths, dtype);
    };
#if defined(PHASENET_EMULATED)
    return emulation::placed(sizes, 0, make);
#else
    return make(sizes);
#endif
  } catch (const std::exception&) {
    explain_failure("an allocation", [] {
#if defined(PHASENET_EMULATED)
      return true;
#else
      // After an illegal access, which is no want of memory, everything fails.
      const cudaError_t state = cudaStreamQuery(nullptr);
      return state == cudaSuccess || state == cudaErrorNotReady;
#endif
    });
  }
}

inline int64_t blocks_for(int64_t work, int64_t per_block) {
  return (work + per_block - 1) / per_block;
}

}  // namespace phasenet::cuda
