// A block and its warps, whose lanes part and meet as machine code tells them.
#pragma once

#include <bit>
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

using u32 = uint32_t;
using u64 = uint64_t;
using u128 = unsigned __int128;

#define LANES(mask)            \
  for (int l = 0; l < 32; ++l) \
    if ((mask) >> l & 1)
// An instruction: `m`, the lanes of `a` whose guard holds.
#define BEGIN(n, mask)    \
  {                       \
    Count& c = counts[n]; \
    u32 m = mask;         \
    ++c.issued;           \
    c.threads += std::popcount(m);
#define END }

constexpr u32 kSharedBase = 0x400;         // the system's share of a block's shared memory
constexpr u32 kSharedWindow = 0xfffe0000;  // upper half of generic addresses of shared memory
constexpr u32 kStack = 4096;               // local memory of a lane
constexpr u32 kBank4 = 0x10000;  // where the constants of bank 4 lie behind those of bank 0
constexpr u32 kZero = 255;       // the register that is zero
constexpr u32 kStop = ~0u;

// Of one instruction; as in execute.py.
struct Count {
  u64 issued;          // by warps
  u64 threads;         // of these, without those whose guard was false
  u64 taken;           // by how many warps a branch
  u64 bytes;           // accessed by threads
  u64 wavefronts;      // of shared memory: clocks that its banks take; of global: 128-byte lines
  u64 conflicts;       // of these, those that other addresses would not take
  u64 sectors;         // of 32 bytes, of global memory
  u64 l2_sectors;      // without what the block has read before
  u64 device_sectors;  // without what the launch has accessed before, or what L2 keeps
};

struct Launch {
  u32 grid[3], threads[3];
  u64 shared_bytes;
  const unsigned char* parameters;
  u64 parameter_bytes, parameter_base;
  const u64* addresses;  // of global constants, bank 4
  u64 address_count;
  class Sectors* sectors;  // of launches one after another, or null
};

inline float f32(u32 x) {
  return std::bit_cast<float>(x);
}
inline u32 b32(float x) {
  return std::bit_cast<u32>(x);
}
inline double f64(u64 x) {
  return std::bit_cast<double>(x);
}
inline u64 b64(double x) {
  return std::bit_cast<u64>(x);
}

// Which sectors of global memory launches and their blocks have accessed. Those that device memory
// reads or writes: of each launch every sector once or, with a capacity, what an L2 does not hold
// that gives up what was accessed longest ago; a sector is written back once for all writes while
// it is held.
class Sectors {
 public:
  struct Page {
    u32 read_by[128] = {};                            // the last block that read it, from 1
    u32 accessed_in[128] = {}, written_in[128] = {};  // the last launch that did, from 1
    u64 accessed_at[128] = {};                        // by the clock below
    bool dirty[128] = {};
  };
  explicit Sectors(u64 capacity = 0) : capacity_(capacity) {
  }
  void begin_launch() {
    ++launch_;
  }
  // For each block another, from 1.
  u32 begin_block() {
    return ++block_;
  }
  // Whether device memory takes part in an access. What is written or read to be the first to leave
  // L2, `once`, takes no other's place there.
  bool miss(Page& page, u64 at, bool write, bool once) {
    if (once && write) {
      const bool is_first = page.written_in[at] != launch_;
      page.written_in[at] = launch_;
      page.accessed_at[at] = 0;
      page.dirty[at] = false;
      return is_first;
    }
    const bool is_first = page.accessed_in[at] != launch_;
    const bool is_held =
        capacity_ == 0 ? !is_first
                       : page.accessed_at[at] > 0 && clock_ - page.accessed_at[at] < capacity_;
    if (once) {
      page.accessed_in[at] = launch_;
      return is_first && !is_held;
    }
    const bool is_dirty =
        capacity_ == 0 ? page.written_in[at] == launch_ : is_held && page.dirty[at];
    page.dirty[at] = write || is_dirty;
    page.accessed_in[at] = launch_;
    if (write) page.written_in[at] = launch_;
    clock_ += is_first;
    page.accessed_at[at] = clock_;
    return write ? !is_dirty : !is_held;
  }
  Page& page(u64 address) {
    const u64 number = address >> 12;
    if (number != last_number_ || last_ == nullptr) {
      auto& found = pages_[number];
      if (!found) found = std::make_unique<Page>();
      last_ = found.get();
      last_number_ = number;
    }
    return *last_;
  }

 private:
  std::unordered_map<u64, std::unique_ptr<Page>> pages_;
  u64 last_number_ = 0;
  Page* last_ = nullptr;
  u64 capacity_, clock_ = 0;  // in sectors; the clock counts each launch's
  u32 launch_ = 0, block_ = 0;
};

struct Block {
  const Launch* launch = nullptr;
  Count* counts = nullptr;
  Sectors* sectors = nullptr;
  std::vector<unsigned char> shared, constants;
  u32 index[3] = {}, number = 0;     // number: from 1
  bool any = false, result = false;  // of a barrier's reduction
};

struct Group {
  u32 pc, lanes, barrier;
};

constexpr u32 kWarpBarrier = 16, kBlockBarrier = 17;

class Warp {
 public:
  u32 r[256][32] = {}, p[8] = {}, u[64] = {}, up[8] = {}, b[16][32] = {};
  u32 tid[3][32] = {};
  u32 active = 0;
  Block* block = nullptr;
  std::vector<unsigned char> local;

  void start(Block& of, u32 first, u32 count) {
    block = &of;
    const u32* size = of.launch->threads;
    alive_ = 0;
    for (u32 l = 0; l < 32 && first + l < count; ++l) {
      const u32 i = first + l;
      tid[0][l] = i % size[0];
      tid[1][l] = i / size[0] % size[1];
      tid[2][l] = i / (size[0] * size[1]);
      alive_ |= 1u << l;
    }
    ready_ = {{0, alive_, 0}};
    waiting_.clear();
    std::memset(r, 0xff, sizeof r);
    p[7] = up[7] = ~0u;
    local.assign(32 * kStack, 0xff);
  }

  // Where the next lanes go on, `active`; kStop where all have left or wait for the block.
  u32 next() {
    if (ready_.empty()) release();
    if (ready_.empty()) return kStop;
    const Group group = ready_.back();
    ready_.pop_back();
    active = group.lanes;
    return group.pc;
  }
  void later(u32 at, u32 lanes) {
    ready_.push_back({at, lanes, 0});
  }
  void wait(u32 barrier, u32 at, u32 lanes) {
    waiting_.push_back({at, lanes, barrier});
  }
  void leave(u32 lanes) {
    alive_ &= ~lanes;
  }
  bool left() const {
    return alive_ == 0;
  }
  u32 alive() const {
    return alive_;
  }
  // Lets those go on that have waited for the block; throws where others wait for something else.
  void pass_block() {
    for (const Group& group : waiting_) {
      if (group.barrier != kBlockBarrier) throw std::runtime_error("lanes wait for each other");
      bool joined = false;
      for (Group& other : ready_) {
        if (other.pc == group.pc) other.lanes |= group.lanes, joined = true;
      }
      if (!joined) ready_.push_back({group.pc, group.lanes, 0});
    }
    waiting_.clear();
  }

 private:
  // Lets the lanes go on that have all come to where they meet.
  void release() {
    for (size_t i = 0; i < waiting_.size(); ++i) {
      const Group group = waiting_[i];
      if (group.barrier == kBlockBarrier) continue;
      const int first = std::countr_zero(group.lanes);
      const u32 wanted = alive_ & (group.barrier == kWarpBarrier ? ~0u : b[group.barrier][first]);
      u32 here = 0;
      for (const Group& other : waiting_) {
        if (other.barrier == group.barrier && other.pc == group.pc) here |= other.lanes & wanted;
      }
      if (here == wanted && here != 0) {
        std::erase_if(waiting_, [&](const Group& other) {
          return other.barrier == group.barrier && other.pc == group.pc &&
                 (other.lanes & ~wanted) == 0;
        });
        ready_.push_back({group.pc, here, 0});
        return;
      }
    }
    bool for_block = true;
    for (const Group& group : waiting_) for_block = for_block && group.barrier == kBlockBarrier;
    if (!for_block) throw std::runtime_error("lanes wait for each other");
  }

  u32 alive_ = 0;
  std::vector<Group> ready_, waiting_;
};
