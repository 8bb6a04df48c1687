// The last few plans that were asked for.
#pragma once

#include <pthread.h>

#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace phasenet {

// One for all caches, which is held for moments only. A process that is forked meanwhile waits for
// it first, so that it is free in the child too.
inline std::mutex& cache_mutex() {
  static std::mutex* const mutex = [] {
    pthread_atfork(
        [] { cache_mutex().lock(); },
        [] { cache_mutex().unlock(); },
        [] { cache_mutex().unlock(); });
    return new std::mutex;  // never destroyed: threads may outlive every static object
  }();
  return *mutex;
}

// Values are immutable and shared; they are kept, most recently used first, until there are too
// many or they take too much memory. Value needs a method bytes().
template <typename Key, typename Value>
class LruCache {
 public:
  template <typename Build>
  std::shared_ptr<const Value> get(const Key& key, const Build& build) {
    {
      const std::lock_guard<std::mutex> lock(cache_mutex());
      for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        if (entry->first == key) {
          entries_.splice(entries_.begin(), entries_, entry);
          return entries_.front().second;
        }
      }
    }
    // Built outside the lock: two threads may both build, which costs time but no correctness.
    std::shared_ptr<const Value> value = build();
    Entries dropped;  // after the lock
    const std::lock_guard<std::mutex> lock(cache_mutex());
    entries_.emplace_front(key, value);
    size_t count = 0, bytes = 0;
    auto last = entries_.begin();
    for (; last != entries_.end(); ++last) {
      bytes += last->second->bytes();
      if (count++ == kMaxCount || bytes > kMaxBytes) {
        break;
      }
    }
    dropped.splice(dropped.begin(), entries_, last, entries_.end());
    return value;
  }

 private:
  using Entries = std::list<std::pair<Key, std::shared_ptr<const Value>>>;
  static constexpr size_t kMaxCount = 16;
  static constexpr size_t kMaxBytes = size_t{256} << 20;

  Entries entries_;
};

}  // namespace phasenet
