#include "kept_memory.h"

#include <cstdlib>
#include <cstring>
#include <list>
#include <mutex>
#include <stdexcept>
#include <string>

#include "memory.h"

namespace phasenet {

namespace {

constexpr size_t kDefaultLimitMb = 512;

// What was left and not taken again, the latest first.
struct Kept {
  std::mutex mutex;
  std::list<std::unique_ptr<Block>> blocks;
  size_t bytes = 0;
};

// Never destroyed: results may outlive every static object.
Kept& kept() {
  static Kept* const instance = new Kept;
  return *instance;
}

size_t whole_pages(size_t bytes) {
  return (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

size_t read_limit() {
  const char* asked = std::getenv("PHASENET_KEEP_MB");
  if (asked == nullptr || *asked == '\0') {
    return kDefaultLimitMb << 20;
  }
  const size_t digits = std::strspn(asked, "0123456789");
  if (digits != std::strlen(asked) || digits > 9) {
    throw std::runtime_error(
        std::string("phasenet: PHASENET_KEEP_MB: expected a whole number of MiB, got '") + asked +
        "'");
  }
  return static_cast<size_t>(std::strtoull(asked, nullptr, 10)) << 20;
}

// The smallest kept block that holds so many bytes and not many more. Another thread may be at it,
// or may have been when this process was forked: then there is none.
std::unique_ptr<Block> take_kept(size_t bytes) {
  Kept& all = kept();
  const std::unique_lock<std::mutex> lock(all.mutex, std::try_to_lock);
  if (!lock.owns_lock()) {
    return nullptr;
  }
  auto best = all.blocks.end();
  for (auto block = all.blocks.begin(); block != all.blocks.end(); ++block) {
    const size_t room = (*block)->bytes();
    if (room >= bytes && room <= bytes + bytes / 4 &&
        (best == all.blocks.end() || room < (*best)->bytes())) {
      best = block;
    }
  }
  if (best == all.blocks.end()) {
    return nullptr;
  }
  std::unique_ptr<Block> found = std::move(*best);
  all.blocks.erase(best);
  all.bytes -= found->bytes();
  return found;
}

}  // namespace

size_t kept_limit() {
  static const size_t limit = read_limit();
  return limit;
}

#if defined(__linux__) && defined(MADV_FREE)

std::unique_ptr<Block> Block::take(size_t bytes) {
  const size_t room = whole_pages(bytes);
  if (std::unique_ptr<Block> found = take_kept(room)) {
    return found;
  }
  const size_t mapped = room + kHugePage;  // so that a whole huge page begins inside
  void* const start =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (start == MAP_FAILED) {
    return nullptr;
  }
  char* const begin = static_cast<char*>(start);
  const size_t before =
      whole_pages(reinterpret_cast<uintptr_t>(begin)) - reinterpret_cast<uintptr_t>(begin);
  char* const data = begin + before;
  if (before > 0) {
    munmap(begin, before);
  }
  if (before < kHugePage) {
    munmap(data + room, kHugePage - before);
  }
  advise_huge_pages(data, room);
  return std::unique_ptr<Block>(new Block(data, room));
}

Block::~Block() {
  munmap(data_, bytes_);
}

void Block::leave(std::unique_ptr<Block> block) {
  const size_t limit = kept_limit();
  if (block->bytes() > limit || madvise(block->data(), block->bytes(), MADV_FREE) != 0) {
    return;
  }
  std::list<std::unique_ptr<Block>> dropped;  // unmapped outside the lock
  Kept& all = kept();
  const std::unique_lock<std::mutex> lock(all.mutex, std::try_to_lock);
  if (!lock.owns_lock()) {
    return;
  }
  all.bytes += block->bytes();
  all.blocks.push_front(std::move(block));
  while (all.bytes > limit) {
    all.bytes -= all.blocks.back()->bytes();
    dropped.splice(dropped.begin(), all.blocks, std::prev(all.blocks.end()));
  }
}

#else

std::unique_ptr<Block> Block::take(size_t) {
  return nullptr;
}

Block::~Block() = default;

void Block::leave(std::unique_ptr<Block>) {
}

#endif

}  // namespace phasenet
