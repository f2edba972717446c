#include "bits.h"

#include "floats.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

INLINE uint64_t sixteen(const float *source) {
  floats16 values;
  memcpy(&values, source, sizeof values);
  const bools16 are_set = __builtin_convertvector(values != 0, bools16);
  return bits16(&are_set);
}

// Sets bits of a word that other threads may be at too.
INLINE void store_some(const float *source, ptrdiff_t bit, ptrdiff_t count, uint64_t *word) {
  uint64_t bits = 0;
  for (ptrdiff_t i = 0; i < count; i++) bits |= (uint64_t)(source[i] != 0) << (bit + i);
  __atomic_fetch_or(word, bits, __ATOMIC_RELAXED);
}

CLONES void bits_store(const float *source, ptrdiff_t start, ptrdiff_t count, uint64_t *words) {
  uint64_t *word = words + start / 64;
  const ptrdiff_t bit = start % 64, room = (64 - bit) % 64, head = room < count ? room : count;
  if (head) store_some(source, bit, head, word++);
  ptrdiff_t i = head;
  for (; i + 64 <= count; i += 64, word++) {
    *word = sixteen(source + i) | sixteen(source + i + 16) << 16 | sixteen(source + i + 32) << 32 |
            sixteen(source + i + 48) << 48;
  }
  if (i < count) store_some(source + i, 0, count - i, word);
}

void bits_put(const uint64_t *source, ptrdiff_t start, ptrdiff_t count, uint64_t *words) {
  const ptrdiff_t shift = start % 64;
  uint64_t *word = words + start / 64;
  for (; count > 0; count -= 64, source++, word++) {
    if (shift == 0 && count >= 64) {
      *word = *source;
      continue;
    }
    const uint64_t bits = count < 64 ? *source & ((uint64_t)1 << count) - 1 : *source;
    __atomic_fetch_or(word, bits << shift, __ATOMIC_RELAXED);
    if (shift + count > 64) __atomic_fetch_or(word + 1, bits >> (64 - shift), __ATOMIC_RELAXED);
  }
}

static void expand_from(ptrdiff_t i, const uint64_t *words, uint8_t *bytes, ptrdiff_t count) {
  for (; i < count; i += 8) {
    const uint64_t spread = (words[i / 64] >> i % 64 & 0xff) * 0x0101010101010101u & 0x8040201008040201u;
    const uint64_t eight = (spread + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
    memcpy(bytes + i, &eight, count - i < 8 ? count - i : 8);
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512bw"))) static void expand_avx512(const uint64_t *words, uint8_t *bytes,
                                                              ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 64 <= count; i += 64) _mm512_storeu_si512(bytes + i, _mm512_maskz_set1_epi8(words[i / 64], 1));
  expand_from(i, words, bytes, count);
}
#endif

void bits_expand(const uint64_t *words, uint8_t *bytes, ptrdiff_t count) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw")) return expand_avx512(words, bytes, count);
#endif
  expand_from(0, words, bytes, count);
}

CLONES void bits_load(const uint64_t *words, float *restrict destination, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 16 <= count; i += 16) {
    floats16 values;
    load_bits16(words, i, &values);
    memcpy(destination + i, &values, sizeof values);
  }
  for (; i < count; i++) destination[i] = of_bit(words, i);
}
