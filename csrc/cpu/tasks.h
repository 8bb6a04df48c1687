// Sharing planes and images among threads.
#pragma once

#include <algorithm>
#include <atomic>

#include "scratch.h"

namespace phasenet {

// Calls body(task, scratch) for each task; threads take the next one when they are done with one.
template <typename T, typename Body>
void for_tasks(int64_t count, int64_t scratch_size, const Body& body) {
  std::atomic<int64_t> next{0};
  const int64_t threads = torch::stable::get_num_threads();
  torch::stable::parallel_for(0, std::min(threads, count), 1, [&](int64_t, int64_t) {
    const Scratch<T> scratch(scratch_size);
    for (int64_t task = next++; task < count; task = next++) {
      body(task, scratch.data());
    }
  });
}

// Whether threads are busy enough with an image each.
inline bool by_image(int64_t count) {
  const int64_t threads = torch::stable::get_num_threads();
  return count >= 4 * threads || count % threads == 0;
}

}  // namespace phasenet
