#include "lanes.h"

#include "floats.h"

// Adds a term, made of x[i] and y[i], for each i; whole runs of sixteen in sums that stay in registers.
#define LANES(term)                                                             \
  ptrdiff_t i = 0;                                                              \
  const ptrdiff_t room = -start & 15, head = room < count ? room : count;       \
  for (; i < head; i++) lanes[(start + i) & 15] += (term);                      \
  double sums[16];                                                              \
  memcpy(sums, lanes, sizeof sums);                                             \
  for (ptrdiff_t first = i; first + 16 <= count; first += 16) {                 \
    _Pragma("clang loop unroll(full)")                                          \
    for (ptrdiff_t lane = 0; lane < 16; lane++) {                               \
      i = first + lane;                                                         \
      sums[lane] += (term);                                                     \
    }                                                                           \
    i++;                                                                        \
  }                                                                             \
  memcpy(lanes, sums, sizeof sums);                                             \
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
