// What a call needs besides its results, from one allocation.
#pragma once

#include "device.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace phasenet::cuda {

// Cuts memory into pieces of any type. Without memory it measures only, and the pieces are null.
class Pieces {
 public:
  explicit Pieces(unsigned char* memory = nullptr) : memory_(memory) {
  }

  template <typename T>
  T* take(int64_t elements) {
    unsigned char* piece = memory_ == nullptr ? nullptr : memory_ + bytes_;
    const int64_t size = elements * static_cast<int64_t>(sizeof(T));
    int64_t whole = blocks_for(size, kAlignment) * kAlignment;
#if defined(__SANITIZE_ADDRESS__)
    // So that reading behind a piece is found, as behind an allocation.
    whole += kAlignment;
    if (piece != nullptr) {
      ASAN_POISON_MEMORY_REGION(piece + size, static_cast<size_t>(whole - size));
    }
#endif
    bytes_ += whole;
    return reinterpret_cast<T*>(piece);
  }

  int64_t bytes() const {
    return bytes_;
  }

 private:
  static constexpr int64_t kAlignment = 256;
  unsigned char* memory_;
  int64_t bytes_ = 0;
};

// Memory on the device of `like` for the pieces that `layout(Pieces&)` takes; it is called twice,
// first to measure.
template <typename Layout>
Tensor divide(const Tensor& like, const Layout& layout) {
  Pieces measured;
  layout(measured);
  const Tensor memory = empty_like_device(like, {measured.bytes()}, ScalarType::Byte);
  Pieces pieces(memory.mutable_data_ptr<uint8_t>());
  layout(pieces);
  return memory;
}

}  // namespace phasenet::cuda
