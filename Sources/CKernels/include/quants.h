// Blocks of quantised weights as GGUF has them (ggml-common.h of ggml), to float32: the same values, operation by
// operation, as `gguf.quants.dequantize` of the package gguf 0.19.
#ifndef MERGEKIT_QUANTS_H
#define MERGEKIT_QUANTS_H

#include <stddef.h>
#include <stdint.h>

// Decodes `count` blocks that lie one after the other, at any address. 32 elements per block, 256 of the K and XS kinds.
void decode_q4_0(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q4_1(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q5_0(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q5_1(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q8_0(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q2_k(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q3_k(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q4_k(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q5_k(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_q6_k(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_iq4_nl(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_iq4_xs(const uint8_t *blocks, float *elements, ptrdiff_t count);
void decode_mxfp4(const uint8_t *blocks, float *elements, ptrdiff_t count);

#endif
