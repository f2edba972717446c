// Masks at one bit per element, the lowest bit of a word first.
#ifndef MERGEKIT_BITS_H
#define MERGEKIT_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sets bits from number `start` on: 1 for what is not zero. All bits are zero before they are stored, each is stored
// once, and threads may store others of the same word.
void bits_store(const float *source, ptrdiff_t start, ptrdiff_t count, uint64_t *words);
// Stores bits that are packed already, the first one lowest, as `bits_store` does.
void bits_put(const uint64_t *source, ptrdiff_t start, ptrdiff_t count, uint64_t *words);
// The first bits as floats, and as bytes, that are 1 or 0. The last word's other bits may be anything.
void bits_load(const uint64_t *words, float *destination, ptrdiff_t count);
void bits_expand(const uint64_t *words, uint8_t *bytes, ptrdiff_t count);

#endif
