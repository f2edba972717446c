// Between the bytes of stored elements and Floats: the loops of `Conversion`, which says what they give. The
// bits are the same at every level, and those of the Swift code in `SmallFloats`.
#ifndef MERGEKIT_CONVERSIONS_H
#define MERGEKIT_CONVERSIONS_H

#include <stdbool.h>
#include <stddef.h>

// The instruction sets that the loops are compiled for. AVX2 is taken with F16C, AVX-512F with BW and VL.
typedef enum { conversion_baseline, conversion_avx2, conversion_avx512 } conversion_level;

typedef enum {
  conversion_f32,
  conversion_f64,
  conversion_f16,
  conversion_bf16,
  conversion_f8e4m3,
  conversion_f8e5m2,
  // 1 for what is not zero.
  conversion_bool,
  // The nearest whole number from 0 to 255.
  conversion_u8
} conversion_format;

// The highest level of the processor at hand; no call may have a higher one.
conversion_level conversion_best(void);

// Elements lie at any address, and overlap no Floats.
void conversion_load(conversion_level level, conversion_format format, const void *elements,
                     float *destination, ptrdiff_t count);
void conversion_store(conversion_level level, conversion_format format, const float *source, void *elements,
                      ptrdiff_t count);
// Whether one of the elements is not finite.
bool conversion_has_nonfinite(conversion_level level, conversion_format format, const void *elements,
                              ptrdiff_t count);
// The values that a store and a load leave. The destination is the source or does not overlap
// it.
void conversion_round(conversion_level level, conversion_format format, const float *source,
                      float *destination, ptrdiff_t count);

#endif
