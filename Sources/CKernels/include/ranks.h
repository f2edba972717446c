// The loops of `CutRow`, which ranks a row of values by counting.
#ifndef MERGEKIT_RANKS_H
#define MERGEKIT_RANKS_H

#include <stddef.h>
#include <stdint.h>

// Selection keys less 2^31, and the least and greatest of them and of what `least` and `greatest` hold.
void rank_keys(const float *source, int32_t *keys, ptrdiff_t count, int32_t *least, int32_t *greatest);
// (x / (|x| + spread) - low) * scale for each x, rounded to a whole number, which is below 2^16; what rounding puts
// outside of 0 to `last` becomes `last`.
void rank_bins(const float *source, uint16_t *bins, ptrdiff_t count, float spread, float low, float scale,
               uint16_t last);
// Adds 1 to the table's entry of each bin.
void rank_count(const uint16_t *bins, ptrdiff_t count, uint16_t *table);
// Puts values, fewer than 2^16, at the next free position of their bins, which the table holds: keys and indices
// go there, and the positions, from 1, become the ranks.
void rank_place(const uint16_t *bins, const int32_t *keys, ptrdiff_t count, uint16_t *table, int32_t *sorted,
                uint16_t *order, float *ranks);
// The first position from `position`, which is not 0, whose key is less than the one before it; else `count`.
ptrdiff_t rank_descent(const int32_t *keys, ptrdiff_t position, ptrdiff_t count);

#endif
