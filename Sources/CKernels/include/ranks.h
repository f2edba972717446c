// The loops of `CutRow`, which ranks a row of values by counting, of `RankThresholds` and of `RowKernel`.
#ifndef MERGEKIT_RANKS_H
#define MERGEKIT_RANKS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

// Selection keys less 2^31, and the least and greatest of them and of what `least` and `greatest` hold.
void rank_keys(const float *source, int32_t *keys, ptrdiff_t count, int32_t *least, int32_t *greatest);
// x / (|x| + spread), which no smaller value exceeds.
static inline float rank_bent(float value, float spread) {
  return copysignf(1 - spread / (fabsf(value) + spread), value);
}

// (rank_bent(x) - low) * scale for each x, rounded to a whole number, which is below 2^16; what rounding puts
// outside of 0 to `last` becomes `last`.
void rank_bins(const float *source, uint16_t *bins, ptrdiff_t count, float spread, float low, float scale,
               uint16_t last);
// Adds 1 to the table's entry of each bin.
void rank_count(const uint16_t *bins, ptrdiff_t count, uint16_t *table);
// Puts values, fewer than 2^16, at the next free position of their bins, which the table holds: keys and indices
// go there, and the positions, from 1, become the ranks.
void rank_place(const uint16_t *bins, const int32_t *keys, ptrdiff_t count, uint16_t *table, int32_t *sorted,
                uint16_t *order, float *ranks);
// How many keys are less than `bound`; `count` is below 2^31.
ptrdiff_t rank_count_less(int32_t bound, const int32_t *keys, ptrdiff_t count);

// How many keys equal `value`. Up to 15 beyond the last one are read too.
ptrdiff_t rank_count_equal(int32_t value, const int32_t *keys, ptrdiff_t count);

// The threshold factor * rank + addend, each step rounded.
struct rank_line {
  float factor, addend;
};
// Sets the bit `place` + i for each number i that is below the line's threshold at the least rank of its bin; bits from
// `place` on are zero before. `starts` has each bin's first position, and its end after it. Where the threshold at the
// greatest rank says otherwise, i goes to `open`; returns how many did.
ptrdiff_t rank_below(const float *numbers, const uint16_t *bins, const uint16_t *starts, ptrdiff_t count,
                     struct rank_line line, uint64_t *words, ptrdiff_t place, uint16_t *open);
// The same with the ranks themselves, which leave none open.
void rank_below_exactly(const float *numbers, const float *ranks, ptrdiff_t count, struct rank_line line,
                        uint64_t *words, ptrdiff_t place);

// The first position from `position`, which is not 0, whose key is less than the one before it; else `count`.
ptrdiff_t rank_descent(const int32_t *keys, ptrdiff_t position, ptrdiff_t count);

// 1 for the k largest elements of each row of `length`, which divides `count`, else 0: NaN is the largest, zeros are
// equal, and among equals the first ones are chosen. `scratch` has room for a row; `result` may be `source`.
void rows_top_mask(const float *source, float *result, ptrdiff_t count, ptrdiff_t length, ptrdiff_t k,
                   int32_t *scratch);

#endif
