#include "bits.h"

#include "floats.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Sixteen at once: a vector of conditions is converted to so many bits, and back, by an instruction or two.
typedef float floats16 __attribute__((ext_vector_type(16)));
typedef bool bools16 __attribute__((ext_vector_type(16)));

INLINE uint64_t sixteen(const float *source) {
  floats16 values;
  memcpy(&values, source, sizeof values);
  const bools16 bits = __builtin_convertvector(values != 0, bools16);
  uint16_t word;
  memcpy(&word, &bits, 2);
  return word;
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
    *word = sixteen(source + i) | sixteen(source + i + 16) << 16 | sixteen(source + i + 32) << 32
      | sixteen(source + i + 48) << 48;
  }
  if (i < count) store_some(source + i, 0, count - i, word);
}

// Sixty-four bits from a number on. Those beyond `end` are not read.
INLINE uint64_t bits_at(const uint64_t *words, ptrdiff_t bit, ptrdiff_t end) {
  const ptrdiff_t word = bit / 64, shift = bit % 64;
  const uint64_t low = words[word] >> shift;
  return shift && (word + 1) * 64 < end ? low | words[word + 1] << (64 - shift) : low;
}

static void expand_from(ptrdiff_t i, const uint64_t *words, ptrdiff_t start, ptrdiff_t count, uint8_t *bytes) {
  for (; i < count; i += 64) {
    const uint64_t bits = bits_at(words, start + i, start + count);
    for (ptrdiff_t part = 0; part < 64 && i + part < count; part += 8) {
      const uint64_t spread = (bits >> part & 0xff) * 0x0101010101010101u & 0x8040201008040201u;
      const uint64_t eight = (spread + 0x7f7f7f7f7f7f7f7fu) >> 7 & 0x0101010101010101u;
      const ptrdiff_t rest = count - i - part;
      memcpy(bytes + i + part, &eight, rest < 8 ? rest : 8);
    }
  }
}

#if defined(__x86_64__)
__attribute__((target("avx512bw"))) static void expand_avx512(const uint64_t *words, ptrdiff_t start,
                                                              ptrdiff_t count, uint8_t *bytes) {
  ptrdiff_t i = 0;
  for (; i + 64 <= count; i += 64) {
    _mm512_storeu_si512(bytes + i, _mm512_maskz_set1_epi8(bits_at(words, start + i, start + count), 1));
  }
  expand_from(i, words, start, count, bytes);
}
#endif

void bits_expand(const uint64_t *words, ptrdiff_t start, ptrdiff_t count, uint8_t *bytes) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512bw")) return expand_avx512(words, start, count, bytes);
#endif
  expand_from(0, words, start, count, bytes);
}

CLONES void bits_load(const uint64_t *words, ptrdiff_t start, float *restrict destination, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 64 <= count; i += 64) {
    const uint64_t word = bits_at(words, start + i, start + count);
    for (ptrdiff_t part = 0; part < 64; part += 16) {
      const uint16_t some = (uint16_t)(word >> part);
      bools16 bits;
      memcpy(&bits, &some, 2);
      const floats16 values = __builtin_convertvector(bits, floats16);
      memcpy(destination + i + part, &values, sizeof values);
    }
  }
  for (; i < count; i++) destination[i] = (float)(words[(start + i) / 64] >> (start + i) % 64 & 1);
}
