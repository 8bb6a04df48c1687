#include "convert.h"

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#if defined(PHASENET_X86)
#include <immintrin.h>
#endif

namespace phasenet {
namespace {

template <typename T, typename Out>
void convert_each(const T* from, int64_t n, void* to) {
  Out* out = static_cast<Out*>(to);
  for (int64_t i = 0; i < n; ++i) {
    out[i] = static_cast<Out>(from[i]);
  }
}

#if defined(PHASENET_X86)
// The processor's own conversion: the portable one takes longer than computing the plane.
__attribute__((target("avx,f16c"))) void to_half_f16c(const float* from, int64_t n, void* to) {
  auto* out = static_cast<c10::Half*>(to);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), half);
  }
  for (; i < n; ++i) {
    out[i] = static_cast<c10::Half>(from[i]);
  }
}

__attribute__((target("avx,f16c"))) void read_half_f16c(const void* from, int64_t n, float* to) {
  const auto* half = static_cast<const c10::Half*>(from);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i eight = _mm_loadu_si128(reinterpret_cast<const __m128i*>(half + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(eight));
  }
  for (; i < n; ++i) {
    to[i] = static_cast<float>(half[i]);
  }
}

bool has_f16c() {
  return __builtin_cpu_supports("avx") && __builtin_cpu_supports("f16c");
}
#endif

template <typename T, typename In>
void read_each(const void* from, int64_t n, T* to) {
  const In* in = static_cast<const In*>(from);
  for (int64_t i = 0; i < n; ++i) {
    to[i] = static_cast<T>(in[i]);
  }
}

template <typename T>
void read_bytes(const void* from, int64_t n, T* to) {
  const auto* in = static_cast<const uint8_t*>(from);
  for (int64_t i = 0; i < n; ++i) {
    to[i] = static_cast<T>(in[i]) / T(255);
  }
}

template <typename T>
Read<T> read_half() {
  return &read_each<T, c10::Half>;
}

template <typename T>
Convert<T> to_half() {
  return &convert_each<T, c10::Half>;
}

#if defined(PHASENET_X86)
template <>
Convert<float> to_half<float>() {
  return has_f16c() ? &to_half_f16c : &convert_each<float, c10::Half>;
}

template <>
Read<float> read_half<float>() {
  return has_f16c() ? &read_half_f16c : &read_each<float, c10::Half>;
}
#endif

}  // namespace

template <typename T>
Convert<T> conversion(ScalarType dtype) {
  if (dtype == Dtypes<T>::real) {
    return nullptr;
  }
  switch (dtype) {
    case ScalarType::Half:
      return to_half<T>();
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
Read<T> reader(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Byte:
      return &read_bytes<T>;
    case ScalarType::Half:
      return read_half<T>();
    case ScalarType::BFloat16:
      return &read_each<T, c10::BFloat16>;
    default:
      STD_TORCH_CHECK(dtype == Dtypes<T>::real, "phasenet: no dtype for images");
      return &read_each<T, T>;
  }
}

template Read<float> reader<float>(ScalarType);
template Read<double> reader<double>(ScalarType);
template Convert<float> conversion<float>(ScalarType);
template Convert<double> conversion<double>(ScalarType);

}  // namespace phasenet
