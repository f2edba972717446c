#include "arithmetic.h"

#include "floats.h"

// Operations and forms are constants wherever these are called, so that nothing of a switch is left in a loop.

INLINE float element(block_form form, const void *operand, ptrdiff_t i) {
  switch (form) {
  case block_vector: return ((const float *)operand)[i];
  case block_scalar: return *(const float *)operand;
  case block_bf16: return of_bf16(((const stored16 *)operand)[i]);
  }
}

INLINE float combined(block_operation operation, float x, float y) {
  switch (operation) {
  case block_add: return x + y;
  case block_subtract: return x - y;
  case block_subtract_from: return y - x;
  case block_multiply: return x * y;
  case block_divide: return x / y;
  case block_smaller: return smaller(x, y);
  case block_larger: return larger(x, y);
  case block_equal: return x == y ? 1.0f : 0.0f;
  case block_not_equal: return x != y ? 1.0f : 0.0f;
  case block_less: return x < y ? 1.0f : 0.0f;
  case block_less_or_equal: return x <= y ? 1.0f : 0.0f;
  case block_greater: return x > y ? 1.0f : 0.0f;
  case block_greater_or_equal: return x >= y ? 1.0f : 0.0f;
  case block_magnitude: return of_bits(bits_of(x) & 0x7fffffffu);
  }
}

INLINE void combine(block_operation operation, block_operand a, block_form a_form, block_operand b,
                    block_form b_form, float *restrict result, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    result[i] = combined(operation, element(a_form, a.elements, i), element(b_form, b.elements, i));
  }
}

// One loop for each form of the operands; bfloat16 where the operation has it.
INLINE void combine_forms(block_operation operation, bool has_bf16, block_operand a, block_operand b,
                          float *restrict result, ptrdiff_t count) {
#define FORM(x, y)                                                              \
  if (a.form == block_##x && b.form == block_##y) {                             \
    return combine(operation, a, block_##x, b, block_##y, result, count);       \
  }
  FORM(vector, vector)
  FORM(vector, scalar)
  FORM(scalar, vector)
  FORM(scalar, scalar)
  if (has_bf16) {
    FORM(bf16, bf16)
    FORM(bf16, vector)
    FORM(vector, bf16)
    FORM(bf16, scalar)
    FORM(scalar, bf16)
  }
#undef FORM
}

CLONES void block_binary(block_operation operation, const block_operand *operands, float *restrict result,
                         ptrdiff_t count) {
  const block_operand a = operands[0], b = operands[1];
#define OPERATION(name, has_bf16)                                               \
  case block_##name: return combine_forms(block_##name, has_bf16, a, b, result, count)
  switch (operation) {
    OPERATION(add, true);
    OPERATION(subtract, true);
    OPERATION(multiply, true);
    OPERATION(divide, false);
    OPERATION(smaller, false);
    OPERATION(larger, false);
    OPERATION(equal, false);
    OPERATION(not_equal, false);
    OPERATION(less, false);
    OPERATION(less_or_equal, false);
    OPERATION(greater, false);
    OPERATION(greater_or_equal, false);
  case block_subtract_from:
  case block_magnitude: break;
  }
#undef OPERATION
}

// The loops of a pair, from the outside in: its second operation, then the third operand's form, then those of the
// first two.

INLINE void pair(block_operation first, block_operation second, block_operand a, block_form a_form,
                 block_operand b, block_form b_form, block_operand c, block_form c_form,
                 float *restrict result, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) {
    const float inner = combined(first, element(a_form, a.elements, i), element(b_form, b.elements, i));
    result[i] = combined(second, inner, element(c_form, c.elements, i));
  }
}

INLINE void pair_forms(block_operation first, block_operation second, block_operand a, block_operand b,
                       block_operand c, block_form c_form, float *restrict result, ptrdiff_t count) {
#define FORM(x, y)                                                              \
  if (a.form == block_##x && b.form == block_##y) {                             \
    return pair(first, second, a, block_##x, b, block_##y, c, c_form, result, count); \
  }
  FORM(vector, vector)
  FORM(vector, scalar)
  if (first == block_subtract) {
    FORM(bf16, bf16)
    FORM(bf16, vector)
    FORM(vector, bf16)
  }
#undef FORM
}

INLINE void pair_ends(block_operation first, block_operation second, block_operand a, block_operand b,
                      block_operand c, float *restrict result, ptrdiff_t count) {
  if (c.form == block_vector) return pair_forms(first, second, a, b, c, block_vector, result, count);
  if (c.form == block_scalar) return pair_forms(first, second, a, b, c, block_scalar, result, count);
  if (second == block_add) pair_forms(first, second, a, b, c, block_bf16, result, count);
}

INLINE void pair_seconds(block_operation first, block_operation second, block_operand a, block_operand b,
                         block_operand c, float *restrict result, ptrdiff_t count) {
#define SECOND(name) case block_##name: return pair_ends(first, block_##name, a, b, c, result, count)
  switch (second) {
    SECOND(add);
    SECOND(subtract);
    SECOND(subtract_from);
    SECOND(multiply);
    SECOND(less);
    SECOND(less_or_equal);
    SECOND(greater);
    SECOND(greater_or_equal);
  case block_magnitude: return pair_forms(first, block_magnitude, a, b, a, block_scalar, result, count);
  default: break;
  }
#undef SECOND
}

CLONES void block_pair(block_operation first, block_operation second, const block_operand *operands,
                       float *restrict result, ptrdiff_t count) {
  const block_operand a = operands[0], b = operands[1], c = operands[2];
  switch (first) {
  case block_add: return pair_seconds(block_add, second, a, b, c, result, count);
  case block_subtract: return pair_seconds(block_subtract, second, a, b, c, result, count);
  case block_multiply: return pair_seconds(block_multiply, second, a, b, c, result, count);
#define COMPARISON(name) case block_##name: return pair_ends(block_##name, block_multiply, a, b, c, result, count)
    COMPARISON(less);
    COMPARISON(less_or_equal);
    COMPARISON(greater);
    COMPARISON(greater_or_equal);
#undef COMPARISON
  default: break;
  }
}
