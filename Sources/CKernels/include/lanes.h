// Sums of float32 blocks in float64, in sixteen lanes: the loops of `LaneSum`, compiled for AVX-512, AVX2 and the
// x86-64 baseline.
#ifndef MERGEKIT_LANES_H
#define MERGEKIT_LANES_H

#include <stddef.h>
#include <stdint.h>

// Adds x[i], its square, or x[i]·y[i], which are exact, to lane (start + i) % 16, in ascending order. `start` is
// not negative.
void lanes_add_sum(const float *x, double *lanes, ptrdiff_t count, ptrdiff_t start);
void lanes_add_squares(const float *x, double *lanes, ptrdiff_t count, ptrdiff_t start);
void lanes_add_dot(const float *x, const float *y, double *lanes, ptrdiff_t count, ptrdiff_t start);
// Adds x[i]·bit for bit number `first_bit` + i, the lowest of a word first.
void lanes_add_dot_bits(const float *x, const uint64_t *words, ptrdiff_t first_bit, double *lanes,
                        ptrdiff_t count, ptrdiff_t start);

#endif
