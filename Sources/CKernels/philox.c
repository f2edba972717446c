#include "philox.h"

#include "floats.h"

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

CLONES void philox_uniform(struct philox_blocks blocks, float *destination) {
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
