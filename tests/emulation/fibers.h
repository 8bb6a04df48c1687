// The threads of one CUDA block as fibers on one thread of the CPU. They run one at a time, each
// until it waits for others, in an order that the test chooses: code that lacks a barrier gives
// different results in different orders. What orders their memory is told to ordering.h.
#pragma once

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "ordering.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

namespace emulation {

enum class Order { forward, backward, shuffled };

constexpr int kWarp = 32;
constexpr size_t kStackBytes = size_t{256} << 10;

enum class Wait { none, block, warp, done };

struct Fiber {
  ucontext_t context;
  void* stack = nullptr;
  void* fake_stack = nullptr;  // AddressSanitizer's
  void* thread = nullptr;      // ThreadSanitizer's
  Wait wait = Wait::none;
  const char* at = "";      // the call it waits in
  uint32_t mask = 0;        // lanes a warp call names
  uint64_t value = 0;       // what this thread brings to the call
  uint64_t warp_calls = 0;  // how many warp calls it has made
};

// What lanes of a warp exchange; two of each, because a lane may be one call ahead.
struct Exchange {
  uint64_t values[2][kWarp] = {};
  uint32_t present[2] = {};
  char marks[2][kWarp] = {};  // of the calls that order memory, by the first lane they name
  uint32_t factors[2][kWarp][6];
};

class Block {
 public:
  static Block& current() {
    static Block blocks[ordering::kBlocksApart];
    return blocks[chosen_];
  }

  // For block `index` of a grid. The pairs that share threads are not those of any one distance.
  static Block& choose(uint64_t index) {
    chosen_ = 0;
    for (; index > 0 && ordering::kBlocksApart > 1; index /= ordering::kBlocksApart) {
      chosen_ = (chosen_ + index) % ordering::kBlocksApart;
    }
    return current();
  }

  // What was done before a launch is ordered before its threads, these before what follows it.
  static void launch_begins() {
    ordering::leave(&launched_);
  }
  static void launch_ended() {
    ordering::meet(&ended_);
  }

  // Runs body() once for each of `count` threads; `enter(i)` sets what thread i sees of itself.
  void run(
      int count,
      Order order,
      uint32_t seed,
      const std::function<void()>& body,
      const std::function<void(int)>& enter) {
    prepare(count);
    body_ = &body;
    scheduler_thread_ = ordering::this_thread();
    std::vector<int> turn(count);
    std::iota(turn.begin(), turn.end(), 0);
    if (order == Order::backward) {
      std::reverse(turn.begin(), turn.end());
    }
    std::mt19937 random(seed);
    int alive = count;
    while (alive > 0) {
      if (order == Order::shuffled) {
        std::shuffle(turn.begin(), turn.end(), random);
      }
      bool moved = false;
      for (const int i : turn) {
        Fiber& fiber = fibers_[i];
        if (fiber.wait == Wait::none) {
          moved = true;
          now_ = i;
          enter(i);
          switch_to_fiber(fiber);
          alive -= fiber.wait == Wait::done;
        }
      }
      moved = release_warps(count) || moved;
      if (!moved && !release_block(count)) {
        throw std::runtime_error(deadlock(count));
      }
    }
  }

  // Waits for every thread of the block; whether any brought something that is not zero.
  bool wait_for_block(const char* at, bool value) {
    const ordering::Unseen unseen;
    Fiber& self = fibers_[now_];
    any_ = any_ || value;
    self.wait = Wait::block;
    self.at = at;
    // Two marks, because a thread may be one barrier ahead.
    char* mark = &marks_[barriers_ % 2];
    ordering::leave(mark);
    switch_to_scheduler(self);
    ordering::meet(mark);
    return released_any_;
  }

  // Waits for the lanes of `mask` in this warp and returns what each brought. Only where `orders`
  // does this order memory too.
  const uint64_t* wait_for_warp(
      const char* at, uint32_t mask, uint64_t value, uint32_t* present, bool orders = false) {
    const ordering::Unseen unseen;
    Fiber& self = fibers_[now_];
    self.wait = Wait::warp;
    self.at = at;
    self.mask = mask;
    self.value = value;
    const uint64_t call = self.warp_calls++ % 2;
    Exchange& exchange = exchanges_[now_ / kWarp];
    char* mark = &exchange.marks[call][__builtin_ctz(mask)];
    if (orders) {
      ordering::leave(mark);
    }
    switch_to_scheduler(self);
    if (orders) {
      ordering::meet(mark);
    }
    *present = exchange.present[call];
    return exchange.values[call];
  }

  // Waits for the whole warp and returns the registers that each lane brought.
  const uint32_t (*exchange_factors(const char* at, const uint32_t (&own)[6]))[6] {
    const ordering::Unseen unseen;
    auto* all = exchanges_[now_ / kWarp].factors[fibers_[now_].warp_calls % 2];
    std::memcpy(all[lane()], own, sizeof own);
    uint32_t present = 0;
    wait_for_warp(at, 0xffffffff, 0, &present);
    return all;
  }

  int lane() const {
    return now_ % kWarp;
  }

 private:
  void prepare(int count) {
    while (static_cast<int>(fibers_.size()) < count) {
      auto& fiber = fibers_.emplace_back();
      fiber.stack =
          mmap(nullptr, kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (fiber.stack == MAP_FAILED) {
        throw std::bad_alloc();
      }
      fiber.thread = ordering::new_thread();
    }
    any_ = released_any_ = false;
    exchanges_.assign((count + kWarp - 1) / kWarp, {});
    for (int i = 0; i < count; ++i) {
      Fiber& fiber = fibers_[i];
      fiber.wait = Wait::none;
      fiber.warp_calls = 0;
      fiber.fake_stack = nullptr;
      getcontext(&fiber.context);
      fiber.context.uc_stack.ss_sp = fiber.stack;
      fiber.context.uc_stack.ss_size = kStackBytes;
      fiber.context.uc_link = nullptr;
      makecontext(&fiber.context, &Block::start, 0);
    }
  }

  // Not seen by ThreadSanitizer, because it never returns.
  __attribute__((no_sanitize("thread"))) static void start() {
    Block& block = current();
    block.arrived(nullptr);
    ordering::meet(&launched_);
    (*block.body_)();
    ordering::leave(&ended_);
    Fiber& self = block.fibers_[block.now_];
    self.wait = Wait::done;
    block.leave(nullptr, block.scheduler_stack_, block.scheduler_bytes_);
    ordering::become(block.scheduler_thread_);
    swapcontext(&self.context, &block.scheduler_);
  }

  void switch_to_fiber(Fiber& fiber) {
    void* fake = nullptr;
    leave(&fake, fiber.stack, kStackBytes);
    ordering::become(fiber.thread);
    swapcontext(&scheduler_, &fiber.context);
    finish(fake, nullptr, nullptr);
  }

  void switch_to_scheduler(Fiber& self) {
    leave(&self.fake_stack, scheduler_stack_, scheduler_bytes_);
    ordering::become(scheduler_thread_);
    swapcontext(&self.context, &scheduler_);
    arrived(self.fake_stack);
  }

#if defined(__SANITIZE_ADDRESS__)
  static void leave(void** fake, const void* stack, size_t bytes) {
    __sanitizer_start_switch_fiber(fake, stack, bytes);
  }
  static void finish(void* fake, const void** stack, size_t* bytes) {
    __sanitizer_finish_switch_fiber(fake, stack, bytes);
  }
#else
  static void leave(void**, const void*, size_t) {
  }
  static void finish(void*, const void**, size_t*) {
  }
#endif

  void arrived(void* fake) {
    finish(fake, &scheduler_stack_, &scheduler_bytes_);
  }

  // Lets the warps go on whose lanes have all arrived at one call.
  bool release_warps(int count) {
    bool moved = false;
    for (int first = 0; first < count; first += kWarp) {
      const int last = std::min(first + kWarp, count);
      for (int i = first; i < last; ++i) {
        if (fibers_[i].wait == Wait::warp) {
          moved = release_lanes(first, last, fibers_[i]) || moved;
        }
      }
    }
    return moved;
  }

  bool release_lanes(int first, int last, const Fiber& of) {
    const uint32_t mask = of.mask;
    const uint64_t call = (of.warp_calls - 1) % 2;
    uint32_t present = 0;
    for (int i = first; i < last; ++i) {
      if ((mask >> (i - first) & 1) == 0) {
        continue;
      }
      const Fiber& fiber = fibers_[i];
      if (fiber.wait == Wait::done) {
        continue;  // threads that have left are not waited for
      }
      if (fiber.wait != Wait::warp || fiber.at != of.at || fiber.mask != mask) {
        return false;
      }
      present |= 1u << (i - first);
    }
    Exchange& exchange = exchanges_[first / kWarp];
    exchange.present[call] = present;
    for (int i = first; i < last; ++i) {
      if (present >> (i - first) & 1) {
        exchange.values[call][i - first] = fibers_[i].value;
        fibers_[i].wait = Wait::none;
      }
    }
    return true;
  }

  bool release_block(int count) {
    const char* at = nullptr;
    for (int i = 0; i < count; ++i) {
      const Fiber& fiber = fibers_[i];
      if (fiber.wait == Wait::done) {
        continue;
      }
      if (fiber.wait != Wait::block || (at != nullptr && at != fiber.at)) {
        return false;
      }
      at = fiber.at;
    }
    for (int i = 0; i < count; ++i) {
      if (fibers_[i].wait == Wait::block) {
        fibers_[i].wait = Wait::none;
      }
    }
    released_any_ = any_;
    any_ = false;
    ++barriers_;
    return true;
  }

  std::string deadlock(int count) const {
    std::string message = "threads of a block wait for each other in different calls:";
    const char* last = nullptr;
    for (int i = 0; i < count; ++i) {
      const Fiber& fiber = fibers_[i];
      if (fiber.wait != Wait::done && fiber.at != last) {
        message += " thread " + std::to_string(i) + " in " + fiber.at;
        last = fiber.at;
      }
    }
    return message;
  }

  std::vector<Fiber> fibers_ = [] {
    std::vector<Fiber> fibers;
    fibers.reserve(1024);  // contexts hold pointers into themselves and must not move
    return fibers;
  }();
  std::vector<Exchange> exchanges_;
  ucontext_t scheduler_;
  const void* scheduler_stack_ = nullptr;
  size_t scheduler_bytes_ = 0;
  const std::function<void()>* body_ = nullptr;
  int now_ = 0;
  bool any_ = false, released_any_ = false;
  uint64_t barriers_ = 0;  // passed
  char marks_[2] = {};
  void* scheduler_thread_ = nullptr;
  static inline char launched_ = 0, ended_ = 0;
  static inline uint64_t chosen_ = 0;
};

}  // namespace emulation
