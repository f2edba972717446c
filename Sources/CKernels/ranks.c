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

// Each step keeps the order of values, also where it rounds, so that the bins do. With the sign put back last, this is
// x / (|x| + spread).
CLONES void rank_bins(const float *source, uint16_t *restrict bins, ptrdiff_t count, float spread, float low,
                      float scale, uint16_t last) {
  for (ptrdiff_t i = 0; i < count; i++) {
    // The sum's low bits are the product, rounded.
    const float sum = (rank_bent(source[i], spread) - low) * scale + 0x1p23f;
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

typedef int32_t integers16 __attribute__((ext_vector_type(16)));

CLONES ptrdiff_t rank_count_less(int32_t bound, const int32_t *keys, ptrdiff_t count) {
  int32_t less = 0;
  for (ptrdiff_t i = 0; i < count; i++) less += keys[i] < bound;
  return less;
}

CLONES ptrdiff_t rank_count_equal(int32_t value, const int32_t *keys, ptrdiff_t count) {
  // Many ranges are short: what the last vector holds beyond one is masked, not counted one by one.
  const integers16 lanes = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const integers16 key = value;
  integers16 equal = 0, others = 0, values;
  ptrdiff_t i = 0;
  for (; i + 32 <= count; i += 32) {
    integers16 next;
    memcpy(&values, keys + i, sizeof values);
    memcpy(&next, keys + i + 16, sizeof next);
    equal -= values == key;
    others -= next == key;
  }
  for (; i < count; i += 16) {
    memcpy(&values, keys + i, sizeof values);
    equal -= (values == key) & (lanes < (int32_t)(count - i));
  }
  return __builtin_reduce_add(equal + others);
}

INLINE uint32_t below16(const floats16 *numbers, const floats16 *ranks, struct rank_line line) {
  const floats16 scaled = *ranks * line.factor;
  const bools16 below = __builtin_convertvector(*numbers < scaled + line.addend, bools16);
  return bits16(&below);
}

// Sets bits from a place on where all are zero.
INLINE void put16(uint64_t *words, ptrdiff_t place, uint32_t bits) {
  char *bytes = (char *)words + place / 8;
  if (place % 16 == 0) {
    memcpy(bytes, &bits, 2);
  } else {
    uint32_t some;
    memcpy(&some, bytes, 4);
    some |= bits << place % 8;
    memcpy(bytes, &some, 4);
  }
}

// Sixteen comparisons, of which those whose `mask` is set count; returns those that the two thresholds answer unlike.
INLINE uint32_t below_bounds(const float *numbers, const uint16_t *bins, const uint16_t *starts,
                             struct rank_line line, uint32_t mask, uint64_t *words, ptrdiff_t place) {
  uint32_t bounds[16];
  // Loads one by one are several times as fast as a gathering instruction.
#pragma clang loop vectorize(disable) unroll(full)
  for (ptrdiff_t i = 0; i < 16; i++) memcpy(bounds + i, starts + bins[i], 4);
  words16 both;
  memcpy(&both, bounds, sizeof both);
  floats16 values;
  memcpy(&values, numbers, sizeof values);
  const floats16 least = __builtin_convertvector((integers16)((both & 0xffff) + 1), floats16);
  const floats16 greatest = __builtin_convertvector((integers16)(both >> 16), floats16);
  const uint32_t bits = below16(&values, &least, line) & mask;
  put16(words, place, bits);
  return bits ^ (below16(&values, &greatest, line) & mask);
}

// Writes the places of the bits, from i on, to `open`; returns how many are written then.
INLINE ptrdiff_t put_open(uint32_t bits, ptrdiff_t i, uint16_t *open, ptrdiff_t open_count) {
  for (; bits; bits &= bits - 1) open[open_count++] = (uint16_t)(i + __builtin_ctz(bits));
  return open_count;
}

CLONES ptrdiff_t rank_below(const float *numbers, const uint16_t *bins, const uint16_t *starts,
                            ptrdiff_t count, struct rank_line line, uint64_t *words, ptrdiff_t place,
                            uint16_t *restrict open) {
  ptrdiff_t open_count = 0, i = 0;
  for (; i + 16 <= count; i += 16) {
    const uint32_t unlike = below_bounds(numbers + i, bins + i, starts, line, 0xffff, words, place + i);
    open_count = put_open(unlike, i, open, open_count);
  }
  if (i < count) {
    float last_numbers[16] = {0};
    uint16_t last_bins[16] = {0};
    memcpy(last_numbers, numbers + i, (size_t)(count - i) * sizeof *numbers);
    memcpy(last_bins, bins + i, (size_t)(count - i) * sizeof *bins);
    const uint32_t mask = (1u << (count - i)) - 1;
    const uint32_t unlike = below_bounds(last_numbers, last_bins, starts, line, mask, words, place + i);
    open_count = put_open(unlike, i, open, open_count);
  }
  return open_count;
}

CLONES void rank_below_exactly(const float *numbers, const float *ranks, ptrdiff_t count,
                               struct rank_line line, uint64_t *words, ptrdiff_t place) {
  for (ptrdiff_t i = 0; i < count; i += 16) {
    const ptrdiff_t left = count - i < 16 ? count - i : 16;
    floats16 values = 0, exact = 0;
    memcpy(&values, numbers + i, (size_t)left * sizeof(float));
    memcpy(&exact, ranks + i, (size_t)left * sizeof(float));
    put16(words, place + i, below16(&values, &exact, line) & ((1u << left) - 1));
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
