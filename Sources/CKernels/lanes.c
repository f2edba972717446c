#include "lanes.h"

#include "floats.h"

// Adds a term, made of x[i] and y[i], for each i; whole runs of sixteen in sums that stay in registers.
#define LANES(term)                                                                  \
  ptrdiff_t i = 0;                                                                   \
  const ptrdiff_t room = -start & 15, head = room < count ? room : count;            \
  for (; i < head; i++) lanes[(start + i) & 15] += (term);                           \
  double sums[16];                                                                   \
  memcpy(sums, lanes, sizeof sums);                                                  \
  for (ptrdiff_t first = i; first + 16 <= count; first += 16) {                      \
    _Pragma("clang loop unroll(full)") for (ptrdiff_t lane = 0; lane < 16; lane++) { \
      i = first + lane;                                                              \
      sums[lane] += (term);                                                          \
    }                                                                                \
    i++;                                                                             \
  }                                                                                  \
  memcpy(lanes, sums, sizeof sums);                                                  \
  for (; i < count; i++) lanes[(start + i) & 15] += (term)

CLONES void lanes_add_sum(const float *x, double *restrict lanes, ptrdiff_t count, ptrdiff_t start) {
  LANES((double)x[i]);
}

CLONES void lanes_add_squares(const float *x, double *restrict lanes, ptrdiff_t count, ptrdiff_t start) {
  LANES((double)x[i] * (double)x[i]);
}

CLONES void lanes_add_dot(const float *x, const float *y, double *restrict lanes, ptrdiff_t count,
                          ptrdiff_t start) {
  LANES((double)x[i] * (double)y[i]);
}

CLONES void lanes_add_dot_bits(const float *x, const uint64_t *words, ptrdiff_t first_bit,
                               double *restrict lanes, ptrdiff_t count, ptrdiff_t start) {
#define TERM(i) ((double)(x[i] * of_bit(words, first_bit + (i))))
  ptrdiff_t i = 0;
  const ptrdiff_t room = -start & 15, head = room < count ? room : count;
  for (; i < head; i++) lanes[(start + i) & 15] += TERM(i);
  // Sixteen bits from anywhere are found if they begin with a word's sixteenth part.
  if ((first_bit + i) % 16 == 0) {
    typedef double doubles16 __attribute__((ext_vector_type(16)));
    doubles16 sums;
    memcpy(&sums, lanes, sizeof sums);
    for (; i + 16 <= count; i += 16) {
      floats16 values, bits;
      memcpy(&values, x + i, sizeof values);
      load_bits16(words, first_bit + i, &bits);
      // The product is exact in float32, too.
      values *= bits;
      sums += __builtin_convertvector(values, doubles16);
    }
    memcpy(lanes, &sums, sizeof sums);
  }
  for (; i < count; i++) lanes[(start + i) & 15] += TERM(i);
#undef TERM
}
