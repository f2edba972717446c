#include "ranks.h"

#include "floats.h"

// SelectionKey.key, step by step, but for the highest bit.
CLONES void rank_keys(const float *source, int32_t *restrict keys, ptrdiff_t count, int32_t *least,
                      int32_t *greatest) {
  int32_t low = *least, high = *greatest;
  for (ptrdiff_t i = 0; i < count; i++) {
    const float value = source[i];
    const int32_t bits = (int32_t)bits_of(value + 0.0f);
    const int32_t flipped = bits ^ ((bits >> 31) & 0x7fffffff);
    const int32_t key = value == value ? flipped : INT32_MAX;
    keys[i] = key;
    low = key < low ? key : low;
    high = key > high ? key : high;
  }
  *least = low;
  *greatest = high;
}

CLONES void rank_bins(const float *source, uint16_t *restrict bins, ptrdiff_t count, float spread, float low,
                      float scale, uint16_t last) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const float bent = source[i] / (of_bits(bits_of(source[i]) & 0x7fffffffu) + spread);
    // The sum's low bits are the product, rounded.
    const float sum = (bent - low) * scale + 0x1p23f;
    const uint16_t bin = (uint16_t)bits_of(sum);
    bins[i] = bin < last ? bin : last;
  }
}

void rank_count(const uint16_t *bins, ptrdiff_t count, uint16_t *restrict table) {
  for (ptrdiff_t i = 0; i < count; i++) table[bins[i]]++;
}

void rank_place(const uint16_t *bins, const int32_t *keys, ptrdiff_t count, uint16_t *restrict table,
                int32_t *restrict sorted, uint16_t *restrict order, float *restrict ranks) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const uint16_t position = table[bins[i]]++;
    sorted[position] = keys[i];
    order[position] = (uint16_t)i;
    ranks[i] = (float)((int32_t)position + 1);
  }
}

CLONES ptrdiff_t rank_descent(const int32_t *keys, ptrdiff_t position, ptrdiff_t count) {
  // Nearly all runs are in order, which is quickly seen.
  for (; position + 64 <= count; position += 64) {
    int32_t descents = 0;
    for (ptrdiff_t i = position; i < position + 64; i++) descents |= keys[i] < keys[i - 1];
    if (descents) break;
  }
  while (position < count && keys[position] >= keys[position - 1]) position++;
  return position;
}
