#include "arithmetic.h"

#include "floats.h"

// Operations and forms are constants wherever these are called, so that nothing of a switch is left in a loop.

INLINE float element(block_form form, const void *operand, ptrdiff_t i) {
  switch (form) {
  case block_vector: return ((const float *)operand)[i];
  case block_scalar: return *(const float *)operand;
  case block_bf16: return of_bf16(((const stored16 *)operand)[i]);
  case block_bits: return of_bit(operand, i);
  }
}

INLINE void load16(block_form form, const void *operand, ptrdiff_t i, floats16 *values) {
  switch (form) {
  case block_vector: memcpy(values, (const float *)operand + i, sizeof *values); break;
  case block_scalar: *values = *(const float *)operand; break;
  case block_bf16: {
    typedef uint16_t codes16 __attribute__((ext_vector_type(16)));
    codes16 codes;
    memcpy(&codes, (const stored16 *)operand + i, sizeof codes);
    const words16 words = __builtin_convertvector(codes, words16) << 16;
    memcpy(values, &words, sizeof words);
    break;
  }
  case block_bits: load_bits16(operand, i, values);
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

INLINE void combine_from(ptrdiff_t i, block_operation operation, block_operand a, block_form a_form,
                         block_operand b, block_form b_form, float *restrict result, ptrdiff_t count) {
  for (; i < count; i++) {
    result[i] = combined(operation, element(a_form, a.elements, i), element(b_form, b.elements, i));
  }
}

// One loop for each form of the operands; bfloat16 where the operation has it.
INLINE void combine_forms(block_operation operation, bool has_bf16, block_operand a, block_operand b,
                          float *restrict result, ptrdiff_t count) {
#define FORM(x, y)                                                                \
  if (a.form == block_##x && b.form == block_##y) {                               \
    return combine_from(0, operation, a, block_##x, b, block_##y, result, count); \
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

// Loops over bits go by sixteen, which the compiler would not find.
INLINE void multiply_form_bits(block_operand a, block_form a_form, block_operand b, float *restrict result,
                               ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 16 <= count; i += 16) {
    floats16 x, bits;
    load16(a_form, a.elements, i, &x);
    load16(block_bits, b.elements, i, &bits);
    x *= bits;
    memcpy(result + i, &x, sizeof x);
  }
  combine_from(i, block_multiply, a, a_form, b, block_bits, result, count);
}

INLINE void multiply_bits(block_operand a, block_operand b, float *restrict result, ptrdiff_t count) {
  switch (a.form) {
  case block_vector: return multiply_form_bits(a, block_vector, b, result, count);
  case block_scalar: return multiply_form_bits(a, block_scalar, b, result, count);
  case block_bf16: return multiply_form_bits(a, block_bf16, b, result, count);
  case block_bits: break;
  }
}

CLONES void block_binary(block_operation operation, const block_operand *operands, float *restrict result,
                         ptrdiff_t count) {
  const block_operand a = operands[0], b = operands[1];
  if (b.form == block_bits) return multiply_bits(a, b, result, count);
#define OPERATION(name, has_bf16) \
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
  ptrdiff_t i = 0;
  if (c_form == block_bits && (first == block_add || first == block_subtract || first == block_multiply)) {
    for (; i + 16 <= count; i += 16) {
      floats16 x, y, bits;
      load16(a_form, a.elements, i, &x);
      load16(b_form, b.elements, i, &y);
      load16(block_bits, c.elements, i, &bits);
      x = (first == block_add ? x + y : first == block_subtract ? x - y : x * y) * bits;
      memcpy(result + i, &x, sizeof x);
    }
  }
  for (; i < count; i++) {
    const float inner = combined(first, element(a_form, a.elements, i), element(b_form, b.elements, i));
    result[i] = combined(second, inner, element(c_form, c.elements, i));
  }
}

INLINE void pair_forms(block_operation first, block_operation second, block_operand a, block_operand b,
                       block_operand c, block_form c_form, float *restrict result, ptrdiff_t count) {
#define FORM(x, y)                                                                    \
  if (a.form == block_##x && b.form == block_##y) {                                   \
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
  if (second == block_multiply) pair_forms(first, second, a, b, c, block_bits, result, count);
}

INLINE void pair_seconds(block_operation first, block_operation second, block_operand a, block_operand b,
                         block_operand c, float *restrict result, ptrdiff_t count) {
#define SECOND(name) \
  case block_##name: return pair_ends(first, block_##name, a, b, c, result, count)
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
#define COMPARISON(name) \
  case block_##name: return pair_ends(block_##name, block_multiply, a, b, c, result, count)
    COMPARISON(less);
    COMPARISON(less_or_equal);
    COMPARISON(greater);
    COMPARISON(greater_or_equal);
#undef COMPARISON
  default: break;
  }
}
