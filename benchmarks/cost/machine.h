// A multiprocessor that runs machine code translated to C++ (translate.py), a warp at a time, and
// counts what it does. Global memory is the process's own.
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

#define LANES(mask) for (int l = 0; l < 32; ++l) if ((mask) >> l & 1)
// An instruction: `m`, the lanes of `a` whose guard holds.
#define BEGIN(n, mask) { Count& c = counts[n]; u32 m = mask; ++c.issued; c.threads += std::popcount(m);
#define END }

constexpr u32 kSharedBase = 0x400;      // the system's share of a block's shared memory
constexpr u32 kSharedWindow = 0xfffe0000;  // upper half of generic addresses of shared memory
constexpr u32 kStack = 4096;               // local memory of a lane
constexpr u32 kBank4 = 0x10000;            // where the constants of bank 4 lie behind those of bank 0
constexpr u32 kZero = 255;                 // the register that is zero
constexpr u32 kStop = ~0u;

// Of one instruction; as in execute.py.
struct Count {
  u64 issued;      // by warps
  u64 threads;     // of these, without those whose guard was false
  u64 taken;       // by how many warps a branch
  u64 bytes;       // accessed by threads
  u64 wavefronts;  // of shared memory: clocks that its banks take; of global: 128-byte lines
  u64 conflicts;   // of these, those that other addresses would not take
  u64 sectors;     // of 32 bytes, of global memory
  u64 l2_sectors;  // without what the block has read before
  u64 device_sectors;  // without what the launch has accessed before
};

struct Launch {
  u32 grid[3], threads[3];
  u64 shared_bytes;
  const unsigned char* parameters;
  u64 parameter_bytes, parameter_base;
  const u64* addresses;  // of global constants, bank 4
  u64 address_count;
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

// Which sectors of global memory a launch and its blocks have accessed.
class Sectors {
 public:
  struct Page {
    u32 read_by[128] = {};  // the last block that read it, from 1
    bool accessed[128] = {}, written[128] = {};
  };
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
};

struct Block {
  const Launch* launch = nullptr;
  Count* counts = nullptr;
  Sectors* sectors = nullptr;
  std::vector<unsigned char> shared, constants;
  u32 index[3] = {}, number = 0;  // number: from 1
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

// --- memory -------------------------------------------------------------------------------------

inline u32 word(const Warp& w, u64 at) {
  const auto& constants = w.block->constants;
  u32 value = 0;
  if (at + 4 > constants.size()) throw std::runtime_error("beyond the constants");
  std::memcpy(&value, constants.data() + at, 4);
  return value;
}
inline u64 word64(const Warp& w, u64 at) {
  return word(w, at) | u64{word(w, at + 4)} << 32;
}

// How many clocks the banks take: 32 words a clock of different banks; of 8 bytes the halves of a
// warp, of 16 its quarters come one after another.
inline u32 bank_wavefronts(const u64* addresses, u32 lanes, int bytes, u64& conflicts) {
  const int together = bytes <= 4 ? 32 : 128 / bytes, words = bytes <= 4 ? 1 : bytes / 4;
  u32 total = 0;
  for (int first = 0; first < 32; first += together) {
    u64 seen[128];
    u32 per_bank[32] = {}, most = 0;
    int count = 0;
    for (int l = first; l < first + together; ++l) {
      if ((lanes >> l & 1) == 0) continue;
      for (int i = 0; i < words; ++i) {
        const u64 at = addresses[l] / 4 + i;
        bool known = false;
        for (int k = 0; k < count && !known; ++k) known = seen[k] == at;
        if (known) continue;
        seen[count++] = at;
        const u32 in_bank = ++per_bank[at % 32];
        most = in_bank > most ? in_bank : most;
      }
    }
    total += most;
    conflicts += most > 1 ? most - 1 : 0;
  }
  return total;
}

inline void count_shared(Warp& w, Count& count, u32 lanes, const u64* addresses, int bytes) {
  count.bytes += u64(std::popcount(lanes)) * bytes;
  count.wavefronts += bank_wavefronts(addresses, lanes, bytes, count.conflicts);
}

inline void count_global(
    Warp& w, Count& count, u32 lanes, const u64* addresses, int bytes, bool write) {
  count.bytes += u64(std::popcount(lanes)) * bytes;
  u64 seen[64], lines[64];
  int sectors = 0, line_count = 0;
  const auto add = [](u64* list, int& size, u64 value) {
    for (int i = size; i-- > 0;) {
      if (list[i] == value) return false;
    }
    list[size++] = value;
    return true;
  };
  for (int l = 0; l < 32; ++l) {
    if ((lanes >> l & 1) == 0) continue;
    add(lines, line_count, addresses[l] / 128);
    if (!add(seen, sectors, addresses[l] / 32)) continue;
    Sectors::Page& page = w.block->sectors->page(addresses[l]);
    const u64 at = addresses[l] / 32 % 128;
    if (write || page.read_by[at] != w.block->number) ++count.l2_sectors;
    if (write ? !page.written[at] : !page.accessed[at]) ++count.device_sectors;
    page.accessed[at] = true;
    if (write) {
      page.written[at] = true;
    } else {
      page.read_by[at] = w.block->number;
    }
  }
  count.sectors += sectors;
  // The lanes' data take clocks too: 128 bytes each.
  const int data = (std::popcount(lanes) * bytes + 127) / 128;
  count.wavefronts += line_count > data ? line_count : data;
}

// Where the bytes of a shared address lie.
inline unsigned char* shared_at(Warp& w, u64 address, int bytes) {
  auto& shared = w.block->shared;
  const u64 at = (address & 0xffffff) - kSharedBase;
  if (at + bytes > shared.size() || address % bytes != 0) {
    throw std::runtime_error("beyond shared memory, or not aligned: " + std::to_string(at));
  }
  return shared.data() + at;
}

enum class Space { global, shared, local, generic };

inline unsigned char* memory_at(Warp& w, Space space, u64 address, int l, int bytes) {
  switch (space) {
    case Space::shared:
      return shared_at(w, address, bytes);
    case Space::local:
      if (u32(address) + bytes > kStack) throw std::runtime_error("beyond local memory");
      return w.local.data() + l * kStack + u32(address);
    default:
      if (address < 4096 || address % bytes != 0) throw std::runtime_error("not an address");
      return reinterpret_cast<unsigned char*>(address);
  }
}

inline Space resolve(Space space, const u64* addresses, u32 lanes) {
  if (space != Space::generic) return space;
  return addresses[std::countr_zero(lanes)] >> 32 == kSharedWindow ? Space::shared : Space::global;
}

inline void count_access(
    Warp& w, Count& count, Space space, u32 lanes, const u64* addresses, int bytes, bool write) {
  if (space == Space::shared) {
    count_shared(w, count, lanes, addresses, bytes);
  } else if (space == Space::global) {
    count_global(w, count, lanes, addresses, bytes, write);
  } else {
    count.bytes += u64(std::popcount(lanes)) * bytes;
    count.wavefronts += (bytes + 3) / 4;  // lanes' words lie side by side
  }
}

inline void load(
    Warp& w, Count& count, Space given, u32 lanes, u32 to, const u64* at, int bytes, bool is_signed) {
  if (lanes == 0) return;
  const Space space = resolve(given, at, lanes);
  count_access(w, count, space, lanes, at, bytes, false);
  LANES(lanes) {
    u32 words[4] = {};
    std::memcpy(words, memory_at(w, space, at[l], l, bytes), bytes);
    const int unused = bytes < 4 ? 32 - 8 * bytes : 0;
    if (is_signed) words[0] = u32(int(words[0] << unused) >> unused);
    for (int i = 0; i < (bytes + 3) / 4 && to != kZero; ++i) w.r[to + i][l] = words[i];
  }
}

inline void store(
    Warp& w, Count& count, Space given, u32 lanes, u32 from, const u64* at, int bytes) {
  if (lanes == 0) return;
  const Space space = resolve(given, at, lanes);
  count_access(w, count, space, lanes, at, bytes, true);
  LANES(lanes) {
    u32 words[4] = {};
    for (int i = 0; i < (bytes + 3) / 4 && from != kZero; ++i) words[i] = w.r[from + i][l];
    std::memcpy(memory_at(w, space, at[l], l, bytes), words, bytes);
  }
}

// --- arithmetic ---------------------------------------------------------------------------------

inline u64 shift_left(u64 x, u32 by) {
  return by >= 64 ? 0 : x << by;
}
inline u64 shift_right(u64 x, u32 by) {
  return by >= 64 ? 0 : x >> by;
}
inline u64 pair_of(u32 low, u32 high) {
  return u64{high} << 32 | low;
}

inline u32 permute(u32 a, u32 selector, u32 b) {
  const u64 both = pair_of(a, b);
  u32 result = 0;
  for (u32 i = 0; i < 4; ++i) {
    const u32 pick = selector >> (4 * i) & 15;
    u32 byte = both >> (8 * (pick & 7)) & 0xff;
    if (pick & 8) byte = byte & 0x80 ? 0xff : 0;
    result |= byte << (8 * i);
  }
  return result;
}

inline u32 reversed(u32 x) {
  u32 result = 0;
  for (int i = 0; i < 32; ++i) result |= (x >> i & 1) << (31 - i);
  return result;
}

inline float saturated(float x) {
  return x > 1 ? 1.0f : (x > 0 ? x : 0.0f);
}

// `make()` with another rounding than to the nearest.
template <typename Make>
auto rounded(int mode, const Make& make) {
  std::fesetround(mode);
  auto volatile result = make();
  std::fesetround(FE_TONEAREST);
  return result;
}

template <typename To, typename From>
To to_integer(From x, int mode) {
  const From whole = mode == FE_TOWARDZERO ? std::trunc(x) : std::nearbyint(x);
  constexpr auto lowest = std::numeric_limits<To>::min(), highest = std::numeric_limits<To>::max();
  if (std::isnan(whole)) return 0;
  if (whole <= static_cast<From>(lowest)) return lowest;
  return whole >= static_cast<From>(highest) ? highest : static_cast<To>(whole);
}

template <typename T>
T least(T a, T b) {
  return b < a ? b : a;
}
template <typename T>
T most(T a, T b) {
  return a < b ? b : a;
}
// Of numbers: the other where one is NaN, but with `keep` NaN.
inline float bound(float a, float b, bool low, bool keep) {
  if (std::isnan(a) || std::isnan(b)) return keep ? NAN : (std::isnan(a) ? b : a);
  return low ? std::fmin(a, b) : std::fmax(a, b);
}

inline u32 bfloat16(float x) {  // rounded to the nearest, to even in between
  const u32 whole = b32(x);
  return std::isnan(x) ? 0x7fffu : (whole + 0x7fff + (whole >> 16 & 1)) >> 16;
}

// Whether a / b needs more than the short way.
inline bool needs_care(float a, float b) {
  const int to = int(b32(b) >> 23 & 0xff), from = int(b32(a) >> 23 & 0xff);
  return to < 2 || to > 252 || from == 255 || (from != 0 && (from - to > 125 || from - to < -125));
}

inline void set(u32& mask, int l, bool value) {
  mask = (mask & ~(1u << l)) | u32{value} << l;
}

// What lane l reads of another: its number, or its own where there is none.
inline int partner(const std::string& how, int l, u32 by, u32 clamp) {
  const int segment = int(clamp >> 8), limit = int(clamp & 31);
  const int least_lane = l & segment, most_lane = least_lane | (limit & ~segment);
  int source = l;
  if (how == "DOWN") source = l + int(by);
  if (how == "UP") source = l - int(by);
  if (how == "BFLY") source = l ^ int(by);
  if (how == "IDX") source = least_lane | (int(by) & ~segment & 31);
  const bool fits = how == "UP" ? source >= limit : source <= most_lane;
  return fits && source >= 0 && source < 32 ? source : -1;
}

// --- running ------------------------------------------------------------------------------------

using Code = u32 (*)(Warp&, Count*);

inline void run(const Code* blocks_of_code, const Launch& launch, Count* counts) {
  Sectors sectors;
  Block block;
  block.launch = &launch;
  block.counts = counts;
  block.sectors = &sectors;
  block.constants.resize(kBank4 + 8 * launch.address_count);
  std::memcpy(block.constants.data() + kBank4, launch.addresses, 8 * launch.address_count);
  const u32 head[] = {launch.threads[0], launch.threads[1], launch.threads[2],
                      launch.grid[0],    launch.grid[1],    launch.grid[2]};
  std::memcpy(block.constants.data(), head, sizeof head);
  std::memcpy(block.constants.data() + 0x28, &kStack, 4);
  std::memcpy(block.constants.data() + launch.parameter_base, launch.parameters, launch.parameter_bytes);
  const u32 threads = launch.threads[0] * launch.threads[1] * launch.threads[2];
  std::vector<Warp> warps((threads + 31) / 32);
  const u64 blocks = u64{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  for (u64 i = 0; i < blocks; ++i) {
    block.number = u32(i + 1);
    block.index[0] = u32(i % launch.grid[0]);
    block.index[1] = u32(i / launch.grid[0] % launch.grid[1]);
    block.index[2] = u32(i / (u64{launch.grid[0]} * launch.grid[1]));
    block.shared.assign(launch.shared_bytes, 0xff);
    block.any = block.result = false;
    for (size_t k = 0; k < warps.size(); ++k) warps[k].start(block, u32(32 * k), threads);
    for (bool alive = true; alive;) {
      alive = false;
      for (Warp& warp : warps) {
        for (u32 at = warp.next(); at != kStop; at = warp.next()) {
          while (at != kStop) at = blocks_of_code[at / 16](warp, counts);
        }
        alive = alive || !warp.left();
      }
      block.result = block.any;
      block.any = false;
      for (Warp& warp : warps) warp.pass_block();
    }
  }
}
