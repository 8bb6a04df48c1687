// Chooses the kernels for this machine, once.
#include <cstdlib>
#include <cstring>

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

Choice choose() {
#ifdef PHASENET_X86
  const char* asked = std::getenv("PHASENET_CPU");
  const auto allowed = [&](const char* name) {
    return asked == nullptr || std::strcmp(asked, name) == 0;
  };
  const bool any =
      asked == nullptr || (std::strcmp(asked, "baseline") != 0 && std::strcmp(asked, "avx2") != 0);
  __builtin_cpu_init();
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (has_avx512 && any) {
    return {"avx512", &avx512::float_kernels, &avx512::double_kernels};
  }
  if (has_avx2 && (any || allowed("avx2"))) {
    return {"avx2", &avx2::float_kernels, &avx2::double_kernels};
  }
#endif
  return {"baseline", &baseline::float_kernels, &baseline::double_kernels};
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

}  // namespace phasenet
