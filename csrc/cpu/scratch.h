// Working memory for the kernels.
#pragma once

#include <cstdlib>
#include <memory>
#include <new>

#include "kernels/kernels.h"
#include "tensors.h"

namespace phasenet {

// Uninitialised elements, aligned to a cache line.
template <typename T>
class Scratch {
 public:
  explicit Scratch(int64_t elements) {
    const size_t bytes = (static_cast<size_t>(elements) * sizeof(T) + 127) / 64 * 64;
    memory_.reset(static_cast<T*>(std::aligned_alloc(64, bytes)));
    if (memory_ == nullptr) {
      throw std::bad_alloc();
    }
  }
  T* data() const {
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(T* p) const {
      std::free(p);
    }
  };
  std::unique_ptr<T, Free> memory_;
};

// Elements of the scratch below, in whole cache lines.
template <typename T>
int64_t kernel_scratch_size(Size size) {
  return (kernels<T>().scratch_size(size.h, size.w) + 15) / 16 * 16;
}

// What one thread's calls of the kernels on planes of this size need.
template <typename T>
Scratch<T> kernel_scratch(Size size) {
  return Scratch<T>(kernel_scratch_size<T>(size));
}

}  // namespace phasenet
