// Memory of large results, kept for the next one.
#pragma once

#include <cstddef>
#include <memory>

namespace phasenet {

// Smaller results come from the C library, which keeps them itself (glibc's threshold for what it
// takes fresh from the system grows up to this).
constexpr size_t kKeptFrom = size_t{32} << 20;

// Whole huge pages from the system; its own no longer when destroyed, see below.
class Block {
 public:
  // Contents are undefined: fresh pages, or those of an earlier block of about this size. Null
  // where the system refuses.
  static std::unique_ptr<Block> take(size_t bytes);

  // Keeps the pages for the next block, but offers them to the system (MADV_FREE), which takes
  // them when it is short of memory: nobody goes without for them, and large results made again
  // and again are not paid for with clearing their pages each time. At most kept_limit() bytes
  // stay, the latest.
  static void leave(std::unique_ptr<Block> block);

  ~Block();
  Block(const Block&) = delete;
  Block& operator=(const Block&) = delete;

  void* data() const {
    return data_;
  }
  size_t bytes() const {
    return bytes_;
  }

 private:
  Block(void* data, size_t bytes) : data_(data), bytes_(bytes) {
  }

  void* data_;
  size_t bytes_;
};

// PHASENET_KEEP_MB of the environment, in bytes; 512 MiB without it, none at 0. Read once;
// anything else is refused with std::runtime_error.
size_t kept_limit();

}  // namespace phasenet
