#include "conversions.h"

#include <stdbool.h>

#include "floats.h"

typedef float __attribute__((aligned(1), may_alias)) stored32;
typedef double __attribute__((aligned(1), may_alias)) stored64;
typedef int16_t __attribute__((aligned(1), may_alias)) signed16;
typedef int32_t __attribute__((aligned(1), may_alias)) signed32;
typedef int64_t __attribute__((aligned(1), may_alias)) signed64;

// Halves go to even, and what is not a number is 0.
INLINE uint32_t u8_code(float x) {
  const float least = x > 0 ? x : 0;
  const float bounded = least < 255 ? least : 255;
  return (uint32_t)((bounded + 0x1p23f) - 0x1p23f);
}

INLINE float canonical(float value) { return value == value ? value : NAN; }

// SmallFloats.bf16, step by step.
INLINE uint32_t bf16_code(float value) {
  const uint32_t bits = bits_of(value);
  const int32_t rounded = (int32_t)(bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
  const bool is_nan = (int32_t)(bits & 0x7fffffffu) > 0x7f800000;
  return (uint32_t)(is_nan ? 0x7fc0 : rounded);
}

// SmallFloatFormat.code, step by step.
INLINE uint32_t small_code(float value, int width, int mantissa_bits, int bias, int32_t overflow_code,
                           uint32_t nan_code) {
  const uint32_t bits = bits_of(value), magnitude = bits & 0x7fffffffu;
  const int shift = 23 - mantissa_bits;

  const uint32_t odd = (magnitude >> shift) & 1, half = (1u << (shift - 1)) - 1;
  const uint32_t normal = (magnitude + odd + half - ((uint32_t)(127 - bias) << 23)) >> shift;

  const uint32_t anchor = (uint32_t)(127 + 23 + 1 - bias - mantissa_bits) << 23;
  const uint32_t subnormal = bits_of(of_bits(magnitude) + of_bits(anchor)) - anchor;

  const bool is_subnormal = (int32_t)magnitude < (128 - bias) << 23;
  const int32_t rounded = (int32_t)(is_subnormal ? subnormal : normal);
  const int32_t bounded = rounded < overflow_code ? rounded : overflow_code;
  const uint32_t with_sign = (uint32_t)bounded | (bits >> 31) << (width - 1);
  return (int32_t)magnitude > 0x7f800000 ? nan_code : with_sign;
}

INLINE uint32_t f8e4m3_code(float value) { return small_code(value, 8, 3, 7, 0x7f, 0x7f); }

INLINE uint32_t f8e5m2_code(float value) { return small_code(value, 8, 2, 15, 0x7c, 0x7f); }

INLINE uint32_t f16_code(float value) { return small_code(value, 16, 10, 15, 0x7c00, 0x7e00); }

// As `of_f16`, with the code of NaN, which stands in the place of 480.
INLINE float of_f8e4m3(uint8_t code) {
  const uint32_t magnitude = (code & 0x7fu) << 20;
  const float subnormal = of_bits(magnitude + (121u << 23)) - of_bits(121u << 23);
  const uint32_t bits = (code & 0x78) == 0 ? bits_of(subnormal) : magnitude + (120u << 23);
  const uint32_t nan = (code & 0x7f) == 0x7f ? bits_of(480) ^ bits_of(NAN) : 0;
  return of_bits((bits ^ nan) | (code & 0x80u) << 24);
}

#define LEVEL(name) name##_baseline
#define TARGET
#define OF_F16 of_f16
#define F16_CODE f16_code
#define OF_F8E4M3 of_f8e4m3
#include "conversion_loops.h"

#if defined(__x86_64__)

// _Float16 is for the levels whose processors convert it by themselves.
INLINE float widened(uint16_t code) {
  _Float16 value;
  memcpy(&value, &code, 2);
  return (float)value;
}

// The processor makes signalling NaNs quiet; the step-by-step code does not.
INLINE float of_f16_native(uint16_t code) {
  const uint32_t signalling = (code & 0x7e00) == 0x7c00;
  return of_bits(bits_of(widened(code)) & ~(signalling << 22));
}

INLINE uint32_t f16_code_native(float value) {
  const _Float16 nearest = (_Float16)value;
  uint16_t code;
  memcpy(&code, &nearest, 2);
  return value == value ? code : 0x7e00;
}

// The code as a binary16, where all exponents are numbers and 256 times smaller. NaN as in `of_f8e4m3`.
INLINE float of_f8e4m3_native(uint8_t code) {
  const uint16_t with_sign = (uint16_t)((int8_t)code * 128) & 0xbfff;
  const uint32_t nan = (code & 0x7f) == 0x7f ? bits_of(480) ^ bits_of(NAN) : 0;
  return of_bits(bits_of(widened(with_sign) * 256) ^ nan);
}

#undef OF_F16
#undef F16_CODE
#undef OF_F8E4M3
#define OF_F16 of_f16_native
#define F16_CODE f16_code_native
#define OF_F8E4M3 of_f8e4m3_native

#define LEVEL(name) name##_avx2
#define TARGET __attribute__((target("avx2,f16c")))
#include "conversion_loops.h"

#define LEVEL(name) name##_avx512
#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl")))
#include "conversion_loops.h"

conversion_level conversion_best(void) {
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return conversion_avx512;
  }
  const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c");
  return has_avx2 ? conversion_avx2 : conversion_baseline;
}

#define AT_LEVEL(name, ...)                                      \
  switch (level) {                                               \
  case conversion_baseline: return name##_baseline(__VA_ARGS__); \
  case conversion_avx2: return name##_avx2(__VA_ARGS__);         \
  case conversion_avx512: return name##_avx512(__VA_ARGS__);     \
  }

#else

conversion_level conversion_best(void) { return conversion_baseline; }

#define AT_LEVEL(name, ...) return (void)level, name##_baseline(__VA_ARGS__)

#endif

void conversion_load(conversion_level level, conversion_format format, const void *elements,
                     float *destination, ptrdiff_t count) {
  AT_LEVEL(load, format, elements, destination, count);
}

void conversion_store(conversion_level level, conversion_format format, const float *source, void *elements,
                      ptrdiff_t count) {
  AT_LEVEL(store, format, source, elements, count);
}

bool conversion_has_nonfinite(conversion_level level, conversion_format format, const void *elements,
                              ptrdiff_t count) {
  AT_LEVEL(has_nonfinite, format, elements, count);
}

void conversion_round(conversion_level level, conversion_format format, const float *source,
                      float *destination, ptrdiff_t count) {
  AT_LEVEL(round, format, source, destination, count);
}
