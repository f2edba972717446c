#include "philox.h"

#include "floats.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

// Words are the lower halves of 64 bits, as vector multiplication wants them; upper halves hold anything.
struct words {
  uint64_t a, b, c, d;
};

INLINE struct words philox_block(uint64_t number, uint64_t stream, uint64_t key) {
  uint64_t a = number, b = number >> 32, c = stream, d = stream >> 32;
  uint32_t key0 = (uint32_t)key, key1 = (uint32_t)(key >> 32);
  // A loop over blocks is vectorised only if this one is gone.
#pragma clang loop unroll(full)
  for (int round = 0; round < 10; round++) {
    uint64_t first = (a & 0xffffffff) * 0xd2511f53, second = (c & 0xffffffff) * 0xcd9e8d57;
    a = (second >> 32) ^ b ^ key0;
    b = second;
    c = (first >> 32) ^ d ^ key1;
    d = first;
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
  return (struct words){a, b, c, d};
}

INLINE float unit(uint64_t word) { return (float)(int32_t)((uint32_t)word >> 8) * 0x1p-24f; }

// Blocks in a turn of the vector loops. Two vectors at once hide much of a round's latency; what a turn does
// not fill would go one block at a time.
enum { TURN = 32 };

INLINE void write_uniform(struct philox_blocks blocks, float *destination) {
#pragma clang loop interleave_count(2)
  for (size_t index = 0; index < blocks.count; index++) {
    struct words words = philox_block(blocks.first + index, blocks.stream, blocks.key);
    destination[4 * index] = unit(words.a);
    destination[4 * index + 1] = unit(words.b);
    destination[4 * index + 2] = unit(words.c);
    destination[4 * index + 3] = unit(words.d);
  }
}

CLONES static void uniform_by_compiler(struct philox_blocks blocks, float *destination) {
  size_t rest = blocks.count % TURN, whole = blocks.count - rest;
  if (whole) {
    write_uniform((struct philox_blocks){blocks.first, whole, blocks.stream, blocks.key}, destination);
  }
  if (rest) {
    float turn[4 * TURN];
    write_uniform((struct philox_blocks){blocks.first + whole, TURN, blocks.stream, blocks.key}, turn);
    memcpy(destination + 4 * whole, turn, 4 * rest * sizeof(float));
  }
}

// What an element's upper 24 bits are below, if its uniform number is below `bound`.
INLINE uint32_t bound_of_words(float bound) {
  const double scaled = (double)bound * 0x1p24;
  if (!(scaled > 0)) return 0;
  if (scaled >= 0x1p24) return 1 << 24;
  const uint32_t whole = (uint32_t)scaled;
  return whole + (whole < scaled);
}

CLONES static void below_by_compiler(struct philox_blocks blocks, float bound, uint64_t *words) {
  for (size_t index = 0; index < blocks.count; index += TURN) {
    float turn[4 * TURN];
    write_uniform((struct philox_blocks){blocks.first + index, TURN, blocks.stream, blocks.key}, turn);
    const size_t left = 4 * (blocks.count - index);
    for (size_t part = 0; part < 4 * TURN && part < left; part += 64) {
      uint64_t word = 0;
      for (size_t bit = 0; bit < 64; bit += 16) {
        floats16 numbers;
        memcpy(&numbers, turn + part + bit, sizeof numbers);
        const bools16 are_below = __builtin_convertvector(numbers < bound, bools16);
        word |= (uint64_t)bits16(&are_below) << bit;
      }
      words[(4 * index + part) / 64] = word;
    }
  }
}

#if defined(__x86_64__)

// Vectors of eight blocks that go through the rounds together: as many as the registers hold, since each round waits
// for the one before it.
enum { VECTORS = 6, BATCH = 8 * VECTORS };

#define AVX512 __attribute__((target("avx512f")))
#define EACH_VECTOR _Pragma("clang loop unroll(full)") for (int vector = 0; vector < VECTORS; vector++)

struct batch_words {
  __m512i a[VECTORS], b[VECTORS], c[VECTORS], d[VECTORS];
};

// What the rounds have in common for blocks whose numbers share their upper half.
struct rounds {
  uint64_t key0[10], key1[10];
  // Of the first two rounds: what they make of the counter's upper words.
  uint64_t c_first, a_second, c_second, d_second;
};

static struct rounds rounds_of(struct philox_blocks blocks) {
  struct rounds rounds;
  uint32_t key0 = (uint32_t)blocks.key, key1 = (uint32_t)(blocks.key >> 32);
  for (int round = 0; round < 10; round++) {
    rounds.key0[round] = key0;
    rounds.key1[round] = key1;
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
  const uint64_t second = (blocks.stream & 0xffffffff) * 0xcd9e8d57;
  const uint32_t a = (uint32_t)(second >> 32) ^ (uint32_t)(blocks.first >> 32) ^ (uint32_t)rounds.key0[0];
  rounds.c_first = (blocks.stream >> 32) ^ rounds.key1[0];
  rounds.a_second = (second & 0xffffffff) ^ rounds.key0[1];
  rounds.d_second = (uint64_t)a * 0xd2511f53;
  rounds.c_second = (rounds.d_second >> 32) ^ rounds.key1[1];
  return rounds;
}

AVX512 INLINE __m512i upper(__m512i words) {
  return _mm512_castps_si512(_mm512_movehdup_ps(_mm512_castsi512_ps(words)));
}

// `philox_block` of a batch from the block `first` on.
AVX512 INLINE void philox_batch(const struct rounds *rounds, uint64_t first, struct batch_words *words) {
  const __m512i factor0 = _mm512_set1_epi64(0xd2511f53), factor1 = _mm512_set1_epi64(0xcd9e8d57);
  const __m512i numbers = _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0);
  EACH_VECTOR {
    const __m512i number = _mm512_add_epi64(_mm512_set1_epi64((int64_t)first + 8 * vector), numbers);
    const __m512i product = _mm512_mul_epu32(number, factor0);
    const __m512i c = _mm512_xor_si512(upper(product), _mm512_set1_epi64((int64_t)rounds->c_first));
    const __m512i next = _mm512_mul_epu32(c, factor1);
    words->a[vector] = _mm512_xor_si512(upper(next), _mm512_set1_epi64((int64_t)rounds->a_second));
    words->b[vector] = next;
    words->c[vector] = _mm512_xor_si512(product, _mm512_set1_epi64((int64_t)rounds->c_second));
    words->d[vector] = _mm512_set1_epi64((int64_t)rounds->d_second);
  }
#pragma clang loop unroll(full)
  for (int round = 2; round < 10; round++) {
    const __m512i key0 = _mm512_set1_epi64((int64_t)rounds->key0[round]);
    const __m512i key1 = _mm512_set1_epi64((int64_t)rounds->key1[round]);
    EACH_VECTOR {
      const __m512i product0 = _mm512_mul_epu32(words->a[vector], factor0);
      const __m512i product1 = _mm512_mul_epu32(words->c[vector], factor1);
      words->a[vector] = _mm512_ternarylogic_epi64(upper(product1), words->b[vector], key0, 0x96);
      words->b[vector] = product1;
      words->c[vector] = _mm512_ternarylogic_epi64(upper(product0), words->d[vector], key1, 0x96);
      words->d[vector] = product0;
    }
  }
}

// The words of a vector's blocks one after another: those of the first four blocks, then of the others.
AVX512 INLINE void put_in_order(const struct batch_words *words, int vector, __m512i *low, __m512i *high) {
  const __m512i ab = _mm512_mask_shuffle_epi32(words->a[vector], 0xaaaa, words->b[vector], _MM_PERM_CCAA);
  const __m512i cd = _mm512_mask_shuffle_epi32(words->c[vector], 0xaaaa, words->d[vector], _MM_PERM_CCAA);
  *low = _mm512_permutex2var_epi64(ab, _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0), cd);
  *high = _mm512_permutex2var_epi64(ab, _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4), cd);
}

AVX512 INLINE void uniform_batch(const struct rounds *rounds, uint64_t first, float *destination) {
  struct batch_words words;
  philox_batch(rounds, first, &words);
  const __m512 scale = _mm512_set1_ps(0x1p-24f);
  EACH_VECTOR {
    __m512i low, high;
    put_in_order(&words, vector, &low, &high);
    float *target = destination + 32 * vector;
    _mm512_storeu_ps(target, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32(low, 8)), scale));
    _mm512_storeu_ps(target + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_srli_epi32(high, 8)), scale));
  }
}

AVX512 static void uniform_avx512(struct philox_blocks blocks, float *destination) {
  const struct rounds rounds = rounds_of(blocks);
  size_t index = 0;
  for (; index + BATCH <= blocks.count; index += BATCH) {
    uniform_batch(&rounds, blocks.first + index, destination + 4 * index);
  }
  if (index < blocks.count) {
    float batch[4 * BATCH];
    uniform_batch(&rounds, blocks.first + index, batch);
    memcpy(destination + 4 * index, batch, 4 * (blocks.count - index) * sizeof(float));
  }
}

AVX512 INLINE void below_batch(const struct rounds *rounds, uint64_t first, __m512i bound, uint32_t *bits) {
  struct batch_words words;
  philox_batch(rounds, first, &words);
  EACH_VECTOR {
    __m512i low, high;
    put_in_order(&words, vector, &low, &high);
    const uint32_t lower = _mm512_cmplt_epu32_mask(_mm512_srli_epi32(low, 8), bound);
    bits[vector] = lower | (uint32_t)_mm512_cmplt_epu32_mask(_mm512_srli_epi32(high, 8), bound) << 16;
  }
}

AVX512 static void below_avx512(struct philox_blocks blocks, float bound, uint64_t *words) {
  const struct rounds rounds = rounds_of(blocks);
  const __m512i bounds = _mm512_set1_epi32((int32_t)bound_of_words(bound));
  for (size_t index = 0; index < blocks.count; index += BATCH) {
    uint32_t bits[VECTORS];
    below_batch(&rounds, blocks.first + index, bounds, bits);
    const size_t left = (blocks.count - index + 15) / 16 * 8;
    memcpy((char *)words + index / 2, bits, left < sizeof bits ? left : sizeof bits);
  }
}

// Whether the loops in AVX-512 can be taken, which want the numbers' upper half the same for all blocks of a batch.
static bool takes_avx512(struct philox_blocks blocks) {
  return __builtin_cpu_supports("avx512f") &&
         blocks.first >> 32 == (blocks.first + blocks.count + BATCH) >> 32;
}

#endif

void philox_uniform(struct philox_blocks blocks, float *destination) {
#if defined(__x86_64__)
  if (takes_avx512(blocks)) return uniform_avx512(blocks, destination);
#endif
  uniform_by_compiler(blocks, destination);
}

void philox_below(struct philox_blocks blocks, float bound, uint64_t *words) {
#if defined(__x86_64__)
  if (takes_avx512(blocks)) return below_avx512(blocks, bound, words);
#endif
  below_by_compiler(blocks, bound, words);
}

CLONES void philox_words(struct philox_blocks blocks, uint32_t *destination) {
  uint32_t *restrict a = destination, *restrict b = a + blocks.count;
  uint32_t *restrict c = b + blocks.count, *restrict d = c + blocks.count;
#pragma clang loop interleave_count(2)
  for (size_t index = 0; index < blocks.count; index++) {
    struct words words = philox_block(blocks.first + index, blocks.stream, blocks.key);
    a[index] = (uint32_t)words.a;
    b[index] = (uint32_t)words.b;
    c[index] = (uint32_t)words.c;
    d[index] = (uint32_t)words.d;
  }
}
