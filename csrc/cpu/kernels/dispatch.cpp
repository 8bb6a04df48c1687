// Chooses the kernels for this machine, once.
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels.h"

namespace phasenet {

#define PHASENET_DECLARE(isa)                  \
  namespace isa {                              \
  extern const Kernels<float> float_kernels;   \
  extern const Kernels<double> double_kernels; \
  }
PHASENET_DECLARE(baseline)
#ifdef PHASENET_X86
PHASENET_DECLARE(avx2)
PHASENET_DECLARE(avx512)
#endif
#undef PHASENET_DECLARE

namespace {

struct Choice {
  const char* name;
  const Kernels<float>* float_kernels;
  const Kernels<double>* double_kernels;
};

// What this machine can run, the best last.
std::vector<Choice> available() {
  std::vector<Choice> sets{{"baseline", &baseline::float_kernels, &baseline::double_kernels}};
#ifdef PHASENET_X86
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (has_avx2) {
    sets.push_back({"avx2", &avx2::float_kernels, &avx2::double_kernels});
  }
  if (has_avx512) {
    sets.push_back({"avx512", &avx512::float_kernels, &avx512::double_kernels});
  }
#endif
  return sets;
}

std::string names_of(const std::vector<Choice>& sets) {
  std::string names;
  for (const Choice& set : sets) {
    names += (names.empty() ? "" : ", ") + std::string(set.name);
  }
  return names;
}

Choice choose() {
  const std::vector<Choice> sets = available();
  const char* asked = std::getenv("PHASENET_CPU");
  if (asked == nullptr || *asked == '\0') {
    return sets.back();
  }
  for (const Choice& set : sets) {
    if (std::strcmp(asked, set.name) == 0) {
      return set;
    }
  }
  throw std::runtime_error(
      "PHASENET_CPU: expected one of " + names_of(sets) + " on this machine, got '" + asked + "'");
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
  return *choice().float_kernels;
}

template <>
const Kernels<double>& kernels<double>() {
  return *choice().double_kernels;
}

const char* instruction_set() {
  return choice().name;
}

const char* instruction_sets() {
  static const std::string names = names_of(available());
  return names.c_str();
}

}  // namespace phasenet
