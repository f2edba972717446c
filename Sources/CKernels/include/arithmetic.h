// Operations on two operands, and pairs of them: the loops of most steps of a program.
#ifndef MERGEKIT_ARITHMETIC_H
#define MERGEKIT_ARITHMETIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Comparisons give 1 or 0; the smaller and the larger are those of `Extrema`. The last two are second operations of
// pairs only: the third operand less the first operation's result, and its magnitude.
typedef enum {
  block_add,
  block_subtract,
  block_multiply,
  block_divide,
  block_smaller,
  block_larger,
  block_equal,
  block_not_equal,
  block_less,
  block_less_or_equal,
  block_greater,
  block_greater_or_equal,
  block_subtract_from,
  block_magnitude
} block_operation;

// Floats, one float for all elements, stored bfloat16 at any address, or the bits of a mask from a word's first on.
typedef enum { block_vector, block_scalar, block_bf16, block_bits } block_form;

typedef struct {
  const void *elements;
  block_form form;
} block_operand;

// result[i] = a[i] op b[i], of two operands. Sums, differences and products take bfloat16, and products take bits for b.
void block_binary(block_operation operation, const block_operand *operands, float *result, ptrdiff_t count);

// result[i] = (a[i] first b[i]) second c[i], of three operands: a vector and a vector or a scalar, or a difference of which either
// is bfloat16. `first` is a sum, difference or product, and `second` one of these, an inequality or one of the last
// two; or `first` is an inequality and `second` a product. Where `second` is a sum, c may be bfloat16, and
// where it is a product, bits.
void block_pair(block_operation first, block_operation second, const block_operand *operands, float *result,
                ptrdiff_t count);

#endif
