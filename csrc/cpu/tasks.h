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

// Calls forward(n, spectrum, scratch) for each image, then part(n, index, spectrum, scratch) for
// each of its parts. A thread takes an image or, where there are few, first one and then a part.
template <typename T, typename Forward, typename Part>
void for_images(
    int64_t count,
    int64_t parts,
    int64_t spectrum_size,
    int64_t scratch_size,
    const Forward& forward,
    const Part& part) {
  if (by_image(count)) {
    for_tasks<T>(count, scratch_size + spectrum_size, [&](int64_t n, T* scratch) {
      T* spectrum = scratch + scratch_size;
      forward(n, spectrum, scratch);
      for (int64_t index = 0; index < parts; ++index) {
        part(n, index, spectrum, scratch);
      }
    });
    return;
  }
  const Scratch<T> spectra(count * spectrum_size);
  const auto spectrum = [&](int64_t n) { return spectra.data() + n * spectrum_size; };
  for_tasks<T>(
      count, scratch_size, [&](int64_t n, T* scratch) { forward(n, spectrum(n), scratch); });
  for_tasks<T>(count * parts, scratch_size, [&](int64_t task, T* scratch) {
    part(task / parts, task % parts, spectrum(task / parts), scratch);
  });
}

}  // namespace phasenet
