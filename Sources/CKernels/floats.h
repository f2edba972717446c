// What the loops share: the levels that they are compiled for, and floats as bits.
#ifndef MERGEKIT_FLOATS_H
#define MERGEKIT_FLOATS_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Multiplications and additions round one by one: results are the same bits on every processor.
#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return bits;
}

INLINE float of_bits(uint32_t bits) {
  float value;
  memcpy(&value, &bits, 4);
  return value;
}

// A whole number in the order of the values, and back: Extrema.ordered and Extrema.value.
INLINE int32_t ordered(float value) {
  const int32_t bits = (int32_t)bits_of(value);
  return bits ^ ((bits >> 31) & 0x7fffffff);
}

INLINE float of_ordered(int32_t key) { return of_bits((uint32_t)(key ^ ((key >> 31) & 0x7fffffff))); }

// Of equal numbers only zeros differ, of which -0 is the smaller.
INLINE float smaller(float a, float b) {
  const float unequal = a < b ? a : b, equal = of_bits(bits_of(a) | bits_of(b));
  const float least = a == b ? equal : unequal;
  return a == a && b == b ? least : NAN;
}

INLINE float larger(float a, float b) {
  const float unequal = a > b ? a : b, equal = of_bits(bits_of(a) & bits_of(b));
  const float greatest = a == b ? equal : unequal;
  return a == a && b == b ? greatest : NAN;
}

typedef uint16_t __attribute__((aligned(1), may_alias)) stored16;

INLINE float of_bf16(stored16 code) { return of_bits((uint32_t)code << 16); }

// SmallFloats.float(f16:), step by step.
INLINE float of_f16(uint16_t code) {
  const uint32_t magnitude = (code & 0x7fffu) << 13;
  const uint32_t rebias = (int32_t)magnitude < 0x0f800000 ? 112u << 23 : 224u << 23;
  const float subnormal = of_bits(magnitude + (113u << 23)) - of_bits(113u << 23);
  const uint32_t bits = (int32_t)magnitude < 0x00800000 ? bits_of(subnormal) : magnitude + rebias;
  return of_bits(bits | (code & 0x8000u) << 16);
}

// Sixteen at once, of bits in words, the lowest first, from a multiple of sixteen on.
typedef float floats16 __attribute__((ext_vector_type(16)));
typedef uint32_t words16 __attribute__((ext_vector_type(16)));

INLINE void load_bits16(const uint64_t *words, ptrdiff_t i, floats16 *values) {
  uint16_t sixteen;
  memcpy(&sixteen, (const char *)words + (size_t)i / 8, 2);
  const words16 places = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768};
  const words16 ones = (words16)(((words16)(uint32_t)sixteen & places) != 0) & bits_of(1);
  memcpy(values, &ones, sizeof ones);
}

// A vector of conditions is converted to so many bits by an instruction or two.
typedef bool bools16 __attribute__((ext_vector_type(16)));

INLINE uint16_t bits16(const bools16 *conditions) {
  uint16_t bits;
  memcpy(&bits, conditions, 2);
  return bits;
}

INLINE float of_bit(const uint64_t *words, ptrdiff_t i) {
  return (float)(words[(size_t)i / 64] >> (size_t)i % 64 & 1);
}

// In place is a loop of its own, so that the other needs no test for overlap.
#define MAP_BY(hint, function)                                                            \
  if (source == destination) {                                                            \
    hint for (ptrdiff_t i = 0; i < count; i++) destination[i] = function(destination[i]); \
  } else {                                                                                \
    float *restrict target = destination;                                                 \
    hint for (ptrdiff_t i = 0; i < count; i++) target[i] = function(source[i]);           \
  }

#define MAP(function) MAP_BY(, function)

// Of functions whose steps each wait for the one before: several vectors go through them side by side.
#define MAP_CHAIN(function) MAP_BY(_Pragma("clang loop interleave_count(8)"), function)

#endif
