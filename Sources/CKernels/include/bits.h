// Masks at a bit an element, the lowest bit of a word first.
#ifndef MERGEKIT_BITS_H
#define MERGEKIT_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sets bits from number `start` on: 1 for what is not zero. All bits are zero before they are stored, each is stored
// once, and threads may store others of the same word.
void bits_store(const float *source, ptrdiff_t start, ptrdiff_t count, uint64_t *words);
// Bits from number `start` on as floats, and as bytes, that are 1 or 0.
void bits_load(const uint64_t *words, ptrdiff_t start, float *destination, ptrdiff_t count);
void bits_expand(const uint64_t *words, ptrdiff_t start, ptrdiff_t count, uint8_t *bytes);

#endif
