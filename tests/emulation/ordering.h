// What ThreadSanitizer is told of emulated threads: that each is a thread of its own, although one
// thread of the system runs them in turns, and which calls order the memory of which of them, as
// CUDA promises it. So a race is found in whatever order they run. Nothing in other builds.
#pragma once

#if defined(PHASENET_RACES)
#include <sanitizer/tsan_interface.h>

extern "C" void AnnotateIgnoreWritesBegin(const char* file, int line);
extern "C" void AnnotateIgnoreWritesEnd(const char* file, int line);
#endif

namespace emulation::ordering {

#if defined(PHASENET_RACES)

// How many blocks have threads of their own. The others of a grid share these, so that one pair of
// blocks in three is ordered by running in turn; more threads cost time and memory.
constexpr int kBlocksApart = 3;

inline void* new_thread() {
  return __tsan_create_fiber(0);
}

inline void* this_thread() {
  return __tsan_get_current_fiber();
}

// Taking turns orders nothing. Always inline: whichever thread enters a function has to leave it.
__attribute__((always_inline)) inline void become(void* thread) {
  __tsan_switch_to_fiber(thread, __tsan_switch_to_fiber_no_sync);
}

// What was done before leaving a mark is ordered before what is done after meeting it.
inline void leave(void* mark) {
  __tsan_release(mark);
}

inline void meet(void* mark) {
  __tsan_acquire(mark);
}

// The emulator's own writes, for as long as this lives.
struct Unseen {
  Unseen() {
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unseen() {
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
  }
};

#else

constexpr int kBlocksApart = 1;

inline void* new_thread() {
  return nullptr;
}
inline void* this_thread() {
  return nullptr;
}
inline void become(void*) {
}
inline void leave(void*) {
}
inline void meet(void*) {
}
struct Unseen {
  Unseen() {
  }
};

#endif

}  // namespace emulation::ordering
