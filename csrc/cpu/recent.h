// The last few plans that were asked for.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <utility>

namespace phasenet {

// Values are immutable and shared; they are kept, most recently used first, until there are too
// many or they take too much memory. Value needs a method bytes().
template <typename Key, typename Value>
class Recent {
 public:
  template <typename Build>
  std::shared_ptr<const Value> get(const Key& key, const Build& build) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
        if (entry->first == key) {
          entries_.splice(entries_.begin(), entries_, entry);
          return entries_.front().second;
        }
      }
    }
    // Built outside the lock: two threads may both build, which costs time but no correctness.
    std::shared_ptr<const Value> value = build();
    const std::lock_guard<std::mutex> lock(mutex_);
    entries_.emplace_front(key, value);
    size_t count = 0, bytes = 0;
    for (auto entry = entries_.begin(); entry != entries_.end();) {
      bytes += entry->second->bytes();
      const bool keep = count < kMaxCount && bytes <= kMaxBytes;
      count += keep ? 1 : 0;
      entry = keep ? std::next(entry) : entries_.erase(entry);
    }
    return value;
  }

 private:
  static constexpr size_t kMaxCount = 16;
  static constexpr size_t kMaxBytes = size_t{256} << 20;

  std::mutex mutex_;
  std::list<std::pair<Key, std::shared_ptr<const Value>>> entries_;
};

}  // namespace phasenet
