#include "convert.h"

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <type_traits>

#if defined(PHASENET_X86)
#include <immintrin.h>
#endif

namespace phasenet {
namespace {

template <typename From, typename To>
void convert_each(const void* from, int64_t n, void* to) {
  const From* in = static_cast<const From*>(from);
  To* out = static_cast<To*>(to);
  for (int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<To>(in[i]);
  }
}

#if defined(PHASENET_X86)
// The processor's own conversion: the portable one takes longer than computing the plane.
__attribute__((target("avx,f16c"))) void to_half_f16c(const void* from, int64_t n, void* to) {
  const auto* in = static_cast<const float*>(from);
  auto* out = static_cast<c10::Half*>(to);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(in + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), half);
  }
  convert_each<float, c10::Half>(in + i, n - i, out + i);
}

__attribute__((target("avx,f16c"))) void read_half_f16c(const void* from, int64_t n, void* to) {
  auto* out = static_cast<float*>(to);
  const auto* half = static_cast<const c10::Half*>(from);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(half + i));
    _mm256_storeu_ps(out + i, _mm256_cvtph_ps(eight));
  }
  convert_each<c10::Half, float>(half + i, n - i, out + i);
}

bool has_f16c() {
  return __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
}
#endif

template <typename T>
void read_bytes(const void* from, int64_t n, void* to) {
  const auto* in = static_cast<const uint8_t*>(from);
  T* out = static_cast<T*>(to);
  for (int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<T>(in[i]) / T(255);
  }
}

}  // namespace

template <typename T>
Convert conversion(ScalarType dtype) {
  if (dtype == Dtypes<T>::real) {
    return nullptr;
  }
  switch (dtype) {
    case ScalarType::Half:
#if defined(PHASENET_X86)
      if (std::is_same_v<T, float> && has_f16c()) {
        return &to_half_f16c;
      }
#endif
      return &convert_each<T, c10::Half>;
    case ScalarType::BFloat16:
      return &convert_each<T, c10::BFloat16>;
    case ScalarType::Float:
      return &convert_each<T, float>;
    case ScalarType::Double:
      return &convert_each<T, double>;
    default:
      STD_TORCH_CHECK(false, "dtype: expected float16, bfloat16, float32 or float64");
      return nullptr;
  }
}

template <typename T>
Convert reader(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Byte:
      return &read_bytes<T>;
    case ScalarType::Half:
#if defined(PHASENET_X86)
      if (std::is_same_v<T, float> && has_f16c()) {
        return &read_half_f16c;
      }
#endif
      return &convert_each<c10::Half, T>;
    case ScalarType::BFloat16:
      return &convert_each<c10::BFloat16, T>;
    default:
      STD_TORCH_CHECK(dtype == Dtypes<T>::real, "phasenet: no dtype for images");
      return &convert_each<T, T>;
  }
}

template Convert reader<float>(ScalarType);
template Convert reader<double>(ScalarType);
template Convert conversion<float>(ScalarType);
template Convert conversion<double>(ScalarType);

}  // namespace phasenet
