// A multiprocessor that runs machine code translated to C++ (translate.py), a warp at a time, and
// counts what it does.
#pragma once

#include "../../tests/emulation/tensor_cores.h"
#include "memory.h"

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

// Registers `to` to `to` + 3 of all lanes: what those of `sum` have and the product of matrices in
// registers from `left` and from `right` on, of so many blocks of 8 columns of halves; of numbers
// of single precision if there are none.
inline void add_product(Warp& w, u32 lanes, u32 to, u32 left, u32 right, u32 sum, int blocks) {
  if (lanes != ~0u) throw std::runtime_error("a product of matrices of some lanes only");
  const auto factor = [&](int lane, int which) {
    return which < 4 ? w.r[left + which][lane] : w.r[right + which - 4][lane];
  };
  float values[32][4];
  for (int l = 0; l < 32; ++l) {
    for (int i = 0; i < 4; ++i) values[l][i] = sum == kZero ? 0.0f : f32(w.r[sum + i][l]);
    blocks > 0 ? emulation::add_product(values[l], l, blocks, factor)
               : emulation::add_single_product(values[l], l, factor);
  }
  for (int l = 0; l < 32; ++l) {
    for (int i = 0; i < 4; ++i) w.r[to + i][l] = b32(values[l][i]);
  }
}

using Code = u32 (*)(Warp&, Count*);

inline void run(const Code* blocks_of_code, const Launch& launch, Count* counts) {
  Sectors own;
  Sectors& sectors = launch.sectors ? *launch.sectors : own;
  sectors.begin_launch();
  Block block;
  block.launch = &launch;
  block.counts = counts;
  block.sectors = &sectors;
  block.constants.resize(kBank4 + 8 * launch.address_count);
  std::memcpy(block.constants.data() + kBank4, launch.addresses, 8 * launch.address_count);
  const u32 head[] = {
      launch.threads[0],
      launch.threads[1],
      launch.threads[2],
      launch.grid[0],
      launch.grid[1],
      launch.grid[2]};
  std::memcpy(block.constants.data(), head, sizeof head);
  std::memcpy(block.constants.data() + 0x28, &kStack, 4);
  std::memcpy(
      block.constants.data() + launch.parameter_base, launch.parameters, launch.parameter_bytes);
  const u32 threads = launch.threads[0] * launch.threads[1] * launch.threads[2];
  std::vector<Warp> warps((threads + 31) / 32);
  const u64 blocks = u64{launch.grid[0]} * launch.grid[1] * launch.grid[2];
  for (u64 i = 0; i < blocks; ++i) {
    block.number = sectors.begin_block();
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
