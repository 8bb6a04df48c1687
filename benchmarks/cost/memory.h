// Loads and stores of a warp, and what they take of banks, sectors and lines. Global memory is the
// process's own.
#pragma once

#include "warp.h"

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
    Warp& w, Count& count, u32 lanes, const u64* addresses, int bytes, bool write, bool once) {
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
    if (w.block->sectors->miss(page, at, write, once)) ++count.device_sectors;
    if (!write) page.read_by[at] = w.block->number;
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
    Warp& w,
    Count& count,
    Space space,
    u32 lanes,
    const u64* addresses,
    int bytes,
    bool write,
    bool once) {
  if (space == Space::shared) {
    count_shared(w, count, lanes, addresses, bytes);
  } else if (space == Space::global) {
    count_global(w, count, lanes, addresses, bytes, write, once);
  } else {
    count.bytes += u64(std::popcount(lanes)) * bytes;
    count.wavefronts += (bytes + 3) / 4;  // lanes' words lie side by side
  }
}

inline void load(
    Warp& w,
    Count& count,
    Space given,
    u32 lanes,
    u32 to,
    const u64* at,
    int bytes,
    bool is_signed,
    bool once) {
  if (lanes == 0) return;
  const Space space = resolve(given, at, lanes);
  count_access(w, count, space, lanes, at, bytes, false, once);
  LANES(lanes) {
    u32 words[4] = {};
    std::memcpy(words, memory_at(w, space, at[l], l, bytes), bytes);
    const int unused = bytes < 4 ? 32 - 8 * bytes : 0;
    if (is_signed) words[0] = u32(int(words[0] << unused) >> unused);
    for (int i = 0; i < (bytes + 3) / 4 && to != kZero; ++i) w.r[to + i][l] = words[i];
  }
}

inline void store(
    Warp& w, Count& count, Space given, u32 lanes, u32 from, const u64* at, int bytes, bool once) {
  if (lanes == 0) return;
  const Space space = resolve(given, at, lanes);
  count_access(w, count, space, lanes, at, bytes, true, once);
  LANES(lanes) {
    u32 words[4] = {};
    for (int i = 0; i < (bytes + 3) / 4 && from != kZero; ++i) words[i] = w.r[from + i][l];
    std::memcpy(memory_at(w, space, at[l], l, bytes), words, bytes);
  }
}
