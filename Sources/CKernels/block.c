#include "block.h"

#include "floats.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

CLONES void block_select(const float *condition, const float *a, const float *b, float *restrict result,
                         ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const float x = a[i], y = b[i];
    result[i] = condition[i] != 0 ? x : y;
  }
}

CLONES void block_mask(const float *source, float threshold, bool includes_equal, float *restrict result,
                       ptrdiff_t count) {
  if (threshold != threshold) {
    for (ptrdiff_t i = 0; i < count; i++) {
      const float x = source[i];
      result[i] = includes_equal && x != x ? 1.0f : 0.0f;
    }
  } else if (includes_equal) {
    for (ptrdiff_t i = 0; i < count; i++) result[i] = source[i] < threshold ? 0.0f : 1.0f;
  } else {
    for (ptrdiff_t i = 0; i < count; i++) result[i] = source[i] <= threshold ? 0.0f : 1.0f;
  }
}

CLONES void block_fill(float *destination, float value, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) destination[i] = value;
}

CLONES void block_negate(const float *source, float *restrict result, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) result[i] = of_bits(bits_of(source[i]) ^ 0x80000000u);
}

CLONES void block_abs(const float *source, float *restrict result, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) result[i] = of_bits(bits_of(source[i]) & 0x7fffffffu);
}

// NaNs are gathered apart: a way out of the loop would keep it from vectors.
#define EXTREMUM(start, relation)                                         \
  int32_t best = ordered(start), nan_sign = 0;                            \
  for (ptrdiff_t i = 0; i < count; i++) {                                 \
    const int32_t next = ordered(source[i]);                              \
    best = next relation best ? next : best;                              \
    nan_sign |= 0x7f800000 - (int32_t)(bits_of(source[i]) & 0x7fffffffu); \
  }                                                                       \
  return nan_sign < 0 ? NAN : of_ordered(best)

CLONES float block_minimum(const float *source, ptrdiff_t count) { EXTREMUM(INFINITY, <); }

CLONES float block_maximum(const float *source, ptrdiff_t count) { EXTREMUM(-INFINITY, >); }

INLINE float power_of_two(int32_t n) { return of_bits((uint32_t)(n + 127) << 23); }

// e^x as p · 2^n, of which the sum's low bits hold n.
INLINE float fraction(float x, uint32_t *exponent) {
  const float anchored = x * 1.44269504f + 0x1.8p23f;
  const float n = anchored - 0x1.8p23f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  *exponent = bits_of(anchored);
  return (p * (r * r) + r) + 1.0f;
}

// ElementaryFunctions.exp, step by step.
INLINE float exponential(float x) {
  const float above = x < -104.0f ? -104.0f : x;
  const float clamped = above > 89.0f ? 89.0f : above;
  uint32_t anchored;
  const float p = fraction(clamped, &anchored);
  const int32_t exponent = (int32_t)(anchored - 0x4b400000u);
  const int32_t half = exponent >> 1;
  return (p * power_of_two(half)) * power_of_two((int32_t)((uint32_t)exponent - (uint32_t)half));
}

// The same where the result and the factor 2^n are normal: multiplying by it adds to the exponent.
INLINE float moderate_exponential(float x) {
  uint32_t anchored;
  const float p = fraction(x, &anchored);
  return of_bits(bits_of(p) + (anchored << 23));
}

INLINE bool is_moderate(float x) { return (bits_of(x) & 0x7fffffffu) <= bits_of(87.0f); }

// The logarithm of 2^exponent · m, where offset is the bits of m less those of √½, and m lies between √½ and √2.
INLINE float sum_of_logarithms(float exponent, int32_t offset) {
  const float f = of_bits(((uint32_t)offset & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  const float square = f * f;
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  const float tail = ((p * f) * square + exponent * -2.12194440e-4f) - 0.5f * square;
  return (f + tail) + exponent * 0.693359375f;
}

// ElementaryFunctions.log, step by step.
INLINE float logarithm(float x) {
  const bool is_subnormal = x < 0x1p-126f;
  const float grown = x * 0x1p23f;
  const float scaled = is_subnormal ? grown : x;
  const int32_t offset = (int32_t)(bits_of(scaled) - 0x3f3504f3u);
  const int32_t e = offset >> 23;
  const float result = sum_of_logarithms((float)(is_subnormal ? e - 23 : e), offset);
  const float outside = x == 0 ? -INFINITY : (x > 0 ? x : NAN);
  return x > 0 ? (x < INFINITY ? result : outside) : outside;
}

// The same of positive normal numbers.
INLINE float normal_logarithm(float x) {
  const int32_t offset = (int32_t)(bits_of(x) - 0x3f3504f3u);
  return sum_of_logarithms((float)(offset >> 23), offset);
}

INLINE bool is_positive_normal(float x) { return bits_of(x) - 0x00800000u < 0x7f000000u; }

// Blocks all of whose elements are usual go through fewer steps.
#define MAP_USUAL(is_usual, usual, function)                            \
  uint32_t others = 0;                                                  \
  for (ptrdiff_t i = 0; i < count; i++) others |= !is_usual(source[i]); \
  if (others) {                                                         \
    MAP_CHAIN(function)                                                 \
  } else {                                                              \
    MAP_CHAIN(usual)                                                    \
  }

CLONES void block_exp(const float *source, float *destination,
                      ptrdiff_t count){MAP_USUAL(is_moderate, moderate_exponential, exponential)}

CLONES void block_log(const float *source, float *destination,
                      ptrdiff_t count){MAP_USUAL(is_positive_normal, normal_logarithm, logarithm)}

// Zeros and NaN are their own.
INLINE float sign(float x) {
  const float one = of_bits((bits_of(x) & 0x80000000u) | bits_of(1));
  return __builtin_islessgreater(x, 0.0f) ? one : x;
}

// The instruction rounds correctly. The builtin leaves errno alone, which keeps sqrtf from vectors.
INLINE float square_root(float x) {
  const float root = __builtin_elementwise_sqrt(x);
  // The root of -0 is -0.
  return x >= 0 ? root : NAN;
}

// ElementaryFunctions.roundToEven, step by step.
INLINE float nearest_whole(float x) {
  const float magnitude = of_bits(bits_of(x) & 0x7fffffffu);
  const float rounded = (magnitude + 0x1p23f) - 0x1p23f;
  const float with_sign = of_bits(bits_of(rounded) | (bits_of(x) & 0x80000000u));
  return magnitude < 0x1p23f ? with_sign : x;
}

INLINE float whole_below(float x) {
  const float nearest = nearest_whole(x);
  return nearest > x ? nearest - 1.0f : nearest;
}

INLINE float square(float x) { return x * x; }

CLONES void block_square(const float *source, float *destination, ptrdiff_t count){MAP(square)}

CLONES void block_sign(const float *source, float *destination, ptrdiff_t count){MAP(sign)}

CLONES void block_sqrt(const float *source, float *destination, ptrdiff_t count){MAP(square_root)}

CLONES void block_round(const float *source, float *destination, ptrdiff_t count){MAP(nearest_whole)}

CLONES void block_floor(const float *source, float *destination, ptrdiff_t count){MAP(whole_below)}

// SelectionKey.key, step by step.
CLONES void block_keys(const float *source, uint32_t *restrict destination, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const float value = source[i];
    const uint32_t bits = bits_of(value + 0.0f);
    const uint32_t flip = (uint32_t)((int32_t)bits >> 31) | 0x80000000u;
    const uint32_t key = bits ^ flip;
    destination[i] = value == value ? key : 0xffffffffu;
  }
}

CLONES ptrdiff_t block_count_above(uint32_t bound, const uint32_t *keys, ptrdiff_t count) {
  uint32_t above = 0;
  for (ptrdiff_t i = 0; i < count; i++) above += keys[i] > bound;
  return above;
}

CLONES ptrdiff_t block_count_equal(uint32_t key, const uint32_t *keys, ptrdiff_t count) {
  uint32_t equal = 0;
  for (ptrdiff_t i = 0; i < count; i++) equal += keys[i] == key;
  return equal;
}

// Each key is written, and stays if the next one goes elsewhere: a branch would often be mispredicted.
INLINE ptrdiff_t collect_from(ptrdiff_t i, ptrdiff_t collected, uint32_t low, uint32_t span,
                              const uint32_t *keys, ptrdiff_t count, uint32_t *destination) {
  const uint64_t width = (uint64_t)span + 1;
  for (; i < count; i++) {
    const uint32_t key = keys[i];
    destination[collected] = key;
    collected += (ptrdiff_t)(((uint64_t)(key - low) - width) >> 63);
  }
  return collected;
}

#if defined(__x86_64__)
// No compiler finds this instruction by itself.
__attribute__((target("avx512f,popcnt"))) static ptrdiff_t collect_avx512(uint32_t low, uint32_t span,
                                                                          const uint32_t *keys,
                                                                          ptrdiff_t count,
                                                                          uint32_t *destination) {
  const __m512i lows = _mm512_set1_epi32((int)low), spans = _mm512_set1_epi32((int)span);
  ptrdiff_t i = 0, collected = 0;
  for (; i + 16 <= count; i += 16) {
    const __m512i sixteen = _mm512_loadu_si512(keys + i);
    const __mmask16 within = _mm512_cmple_epu32_mask(_mm512_sub_epi32(sixteen, lows), spans);
    // All sixteen places are behind what has been read.
    _mm512_storeu_si512(destination + collected, _mm512_maskz_compress_epi32(within, sixteen));
    collected += __builtin_popcount(within);
  }
  return collect_from(i, collected, low, span, keys, count, destination);
}
#endif

ptrdiff_t block_collect(uint32_t low, uint32_t high, const uint32_t *keys, ptrdiff_t count,
                        uint32_t *destination) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return collect_avx512(low, high - low, keys, count, destination);
#endif
  return collect_from(0, 0, low, high - low, keys, count, destination);
}
