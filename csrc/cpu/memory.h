// Large blocks in few pages.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace phasenet {

constexpr size_t kHugePage = size_t{2} << 20;
// Smaller blocks come from memory that was used before, and hold few huge pages.
constexpr size_t kLargeBlock = size_t{4} << 20;

// Asks for huge pages inside a block that is about to be written for the first time: what the
// allocator takes fresh from the system for every large result is otherwise paid for in page faults
// of 4 KB. Only advice; it changes no content and may fail unnoticed.
inline void advise_huge_pages(void* block, size_t bytes) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (bytes >= kLargeBlock) {
    const uintptr_t begin = reinterpret_cast<uintptr_t>(block);
    const uintptr_t first = (begin + kHugePage - 1) / kHugePage * kHugePage;
    const uintptr_t last = (begin + bytes) / kHugePage * kHugePage;
    if (last > first) {
      madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
    }
  }
#else
  (void)block;
  (void)bytes;
#endif
}

}  // namespace phasenet
