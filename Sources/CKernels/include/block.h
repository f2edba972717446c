// The evaluator's hottest loops over float32 blocks, compiled for AVX-512, AVX2 and the x86-64 baseline; the
// processor's best is taken when the program starts. Each gives the bits of the Swift loop of the same name.
#ifndef MERGEKIT_BLOCK_H
#define MERGEKIT_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// result[i] = condition[i] != 0 ? a[i] : b[i]
void block_select(const float *condition, const float *a, const float *b, float *result, ptrdiff_t count);
// 1 for elements above the threshold (NaN is above all), and for those equal to it where `includes_equal`;
// else 0.
void block_mask(const float *source, float threshold, bool includes_equal, float *result, ptrdiff_t count);
void block_fill(float *destination, float value, ptrdiff_t count);
void block_negate(const float *source, float *result, ptrdiff_t count);
void block_abs(const float *source, float *result, ptrdiff_t count);
// The least and the greatest of all in the order of `Extrema`, and of infinity and -infinity; NaN if any is.
float block_minimum(const float *source, ptrdiff_t count);
float block_maximum(const float *source, ptrdiff_t count);
// Destinations of these are the source or do not overlap it.
void block_exp(const float *source, float *destination, ptrdiff_t count);
void block_log(const float *source, float *destination, ptrdiff_t count);
void block_square(const float *source, float *destination, ptrdiff_t count);
void block_sign(const float *source, float *destination, ptrdiff_t count);
void block_sqrt(const float *source, float *destination, ptrdiff_t count);
void block_round(const float *source, float *destination, ptrdiff_t count);
void block_floor(const float *source, float *destination, ptrdiff_t count);
// Selection keys, and how many are above or equal to one.
void block_keys(const float *source, uint32_t *destination, ptrdiff_t count);
ptrdiff_t block_count_above(uint32_t bound, const uint32_t *keys, ptrdiff_t count);
ptrdiff_t block_count_equal(uint32_t key, const uint32_t *keys, ptrdiff_t count);
// Copies the keys from `low` to `high` in order, and returns their number. `destination` has room for
// `count`, and may be `keys`; what lies in it beyond the result is lost.
ptrdiff_t block_collect(uint32_t low, uint32_t high, const uint32_t *keys, ptrdiff_t count,
                        uint32_t *destination);

#endif
