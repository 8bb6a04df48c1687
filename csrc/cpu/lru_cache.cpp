#include "lru_cache.h"

#include <pthread.h>

namespace phasenet {

std::mutex& cache_mutex() {
  static std::mutex* const mutex = [] {
    pthread_atfork(
        [] { cache_mutex().lock(); },
        [] { cache_mutex().unlock(); },
        [] { cache_mutex().unlock(); });
    return new std::mutex;  // never destroyed: threads may outlive every static object
  }();
  return *mutex;
}

}  // namespace phasenet
