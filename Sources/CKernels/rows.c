#include "floats.h"
#include "ranks.h"

typedef int32_t integers16 __attribute__((ext_vector_type(16)));

// SelectionKey.key, step by step, but for the highest bit: SSE2 compares signed numbers only.
INLINE void keys16(const float *source, integers16 *keys) {
  floats16 values;
  memcpy(&values, source, sizeof values);
  integers16 bits;
  const floats16 plain = values + 0.0f;
  memcpy(&bits, &plain, sizeof bits);
  const integers16 flipped = bits ^ ((bits >> 31) & 0x7fffffff);
  *keys = (values == values) ? flipped : (integers16)INT32_MAX;
}

INLINE int32_t key_of(float value) {
  const int32_t bits = (int32_t)bits_of(value + 0.0f);
  return value == value ? bits ^ ((bits >> 31) & 0x7fffffff) : INT32_MAX;
}

// By address: vectors this wide are no arguments on every processor.
INLINE void store_ones(const integers16 *before, int32_t k, float *result) {
  const words16 ones = (words16)(*before < k) & bits_of(1);
  memcpy(result, &ones, sizeof ones);
}

// One more for each element that comes before its neighbour `step` further on in the row, around its end: those that
// are greater, and those that are equal and stand before it, which are the ones from around the end.
#define COUNT_BEFORE(step, length, ...)                                        \
  {                                                                            \
    const integers16 other = __builtin_shufflevector(keys, keys, __VA_ARGS__); \
    const integers16 wraps = (lanes & ((length)-1)) >= (length) - (step);      \
    before -= (other > keys) | ((other == keys) & wraps);                      \
  }

#define LANES                                                                      \
  const integers16 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}; \
  integers16 keys;                                                                 \
  keys16(source, &keys);                                                           \
  integers16 before = 0;

// Sixteen elements of rows of two, and of four.
INLINE void mask_twos(const float *source, int32_t k, float *result) {
  LANES
  COUNT_BEFORE(1, 2, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
  store_ones(&before, k, result);
}

INLINE void mask_fours(const float *source, int32_t k, float *result) {
  LANES
  COUNT_BEFORE(1, 4, 1, 2, 3, 0, 5, 6, 7, 4, 9, 10, 11, 8, 13, 14, 15, 12)
  COUNT_BEFORE(2, 4, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
  COUNT_BEFORE(3, 4, 3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14)
  store_ones(&before, k, result);
}

INLINE void mask_eights(const float *source, int32_t k, float *result) {
  LANES
  COUNT_BEFORE(1, 8, 1, 2, 3, 4, 5, 6, 7, 0, 9, 10, 11, 12, 13, 14, 15, 8)
  COUNT_BEFORE(2, 8, 2, 3, 4, 5, 6, 7, 0, 1, 10, 11, 12, 13, 14, 15, 8, 9)
  COUNT_BEFORE(3, 8, 3, 4, 5, 6, 7, 0, 1, 2, 11, 12, 13, 14, 15, 8, 9, 10)
  COUNT_BEFORE(4, 8, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
  COUNT_BEFORE(5, 8, 5, 6, 7, 0, 1, 2, 3, 4, 13, 14, 15, 8, 9, 10, 11, 12)
  COUNT_BEFORE(6, 8, 6, 7, 0, 1, 2, 3, 4, 5, 14, 15, 8, 9, 10, 11, 12, 13)
  COUNT_BEFORE(7, 8, 7, 0, 1, 2, 3, 4, 5, 6, 15, 8, 9, 10, 11, 12, 13, 14)
  store_ones(&before, k, result);
}

// The same for what is left of the last sixteen.
#define MASK_SIXTEENS(mask)                                         \
  ptrdiff_t i = 0;                                                  \
  for (; i + 16 <= count; i += 16) mask(source + i, k, result + i); \
  if (i < count) {                                                  \
    float last[16] = {0};                                           \
    memcpy(last, source + i, (size_t)(count - i) * sizeof *last);   \
    mask(last, k, last);                                            \
    memcpy(result + i, last, (size_t)(count - i) * sizeof *last);   \
  }

CLONES static void mask_rows_of_two(const float *source, float *result, ptrdiff_t count,
                                    int32_t k){MASK_SIXTEENS(mask_twos)}

CLONES static void mask_rows_of_four(const float *source, float *result, ptrdiff_t count,
                                     int32_t k){MASK_SIXTEENS(mask_fours)}

CLONES static void mask_rows_of_eight(const float *source, float *result, ptrdiff_t count,
                                      int32_t k){MASK_SIXTEENS(mask_eights)}

INLINE int32_t count_from(int32_t bound, const int32_t *keys, ptrdiff_t count) {
  int32_t found = 0;
  for (ptrdiff_t i = 0; i < count; i++) found += keys[i] >= bound;
  return found;
}

// The k-th largest of the keys, or any bound that k of them reach: by halving the range that it lies in, which takes
// some dozen counts.
INLINE int32_t bound_of(const int32_t *keys, ptrdiff_t count, int32_t k, int32_t *reaching) {
  int32_t low = INT32_MAX, high = INT32_MIN;
  for (ptrdiff_t i = 0; i < count; i++) {
    low = keys[i] < low ? keys[i] : low;
    high = keys[i] > high ? keys[i] : high;
  }
  *reaching = (int32_t)count;
  while (low < high && *reaching != k) {
    const uint32_t half = ((uint32_t)high - (uint32_t)low) / 2 + 1;
    const int32_t middle = (int32_t)((uint32_t)low + half);
    const int32_t found = count_from(middle, keys, count);
    if (found >= k) {
      low = middle;
      *reaching = found;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

CLONES static void mask_row(const float *source, float *result, ptrdiff_t count, int32_t k,
                            int32_t *restrict keys) {
  for (ptrdiff_t i = 0; i < count; i++) keys[i] = key_of(source[i]);
  int32_t reaching;
  const int32_t bound = bound_of(keys, count, k, &reaching);
  if (reaching == k) {
    for (ptrdiff_t i = 0; i < count; i++) result[i] = keys[i] >= bound ? 1 : 0;
    return;
  }
  // Too many are equal to the bound: the first of them are chosen.
  int32_t above = 0;
  for (ptrdiff_t i = 0; i < count; i++) {
    above += keys[i] > bound;
    result[i] = keys[i] > bound ? 1 : 0;
  }
  for (ptrdiff_t i = 0; i < count && above < k; i++) {
    if (keys[i] != bound) continue;
    result[i] = 1;
    above++;
  }
}

void rows_top_mask(const float *source, float *result, ptrdiff_t count, ptrdiff_t length, ptrdiff_t k,
                   int32_t *scratch) {
  if (length == 2) return mask_rows_of_two(source, result, count, (int32_t)k);
  if (length == 4) return mask_rows_of_four(source, result, count, (int32_t)k);
  if (length == 8) return mask_rows_of_eight(source, result, count, (int32_t)k);
  if (k == 0) {
    memset(result, 0, (size_t)count * sizeof *result);
    return;
  }
  for (ptrdiff_t i = 0; i < count; i += length) mask_row(source + i, result + i, length, (int32_t)k, scratch);
}
