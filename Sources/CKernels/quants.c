#include "quants.h"

#include "floats.h"

// The loops are over a few elements each, in the order of the bytes, so that the compiler turns each into vectors.

INLINE uint16_t half_at(const uint8_t *bytes) {
  uint16_t code;
  memcpy(&code, bytes, 2);
  return code;
}

INLINE float f16_at(const uint8_t *bytes) { return of_f16(half_at(bytes)); }

// MARK: 32 elements per block

CLONES void decode_q4_0(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 18, elements += 32) {
    const float scale = f16_at(blocks);
    const uint8_t *codes = blocks + 2;
    for (int i = 0; i < 16; i++) elements[i] = scale * (float)((codes[i] & 15) - 8);
    for (int i = 0; i < 16; i++) elements[16 + i] = scale * (float)((codes[i] >> 4) - 8);
  }
}

CLONES void decode_q4_1(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 20, elements += 32) {
    const float scale = f16_at(blocks), least = f16_at(blocks + 2);
    const uint8_t *codes = blocks + 4;
    for (int i = 0; i < 16; i++) elements[i] = scale * (float)(codes[i] & 15) + least;
    for (int i = 0; i < 16; i++) elements[16 + i] = scale * (float)(codes[i] >> 4) + least;
  }
}

// The fifth bits are those of a word, in the order of the elements.
INLINE int fifth_bit(uint32_t high, int i) { return (int)(high >> i & 1) << 4; }

CLONES void decode_q5_0(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 22, elements += 32) {
    const float scale = f16_at(blocks);
    uint32_t high;
    memcpy(&high, blocks + 2, 4);
    const uint8_t *codes = blocks + 6;
    for (int i = 0; i < 16; i++) {
      elements[i] = scale * (float)(((codes[i] & 15) | fifth_bit(high, i)) - 16);
    }
    for (int i = 0; i < 16; i++) {
      elements[16 + i] = scale * (float)(((codes[i] >> 4) | fifth_bit(high, 16 + i)) - 16);
    }
  }
}

CLONES void decode_q5_1(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 24, elements += 32) {
    const float scale = f16_at(blocks), least = f16_at(blocks + 2);
    uint32_t high;
    memcpy(&high, blocks + 4, 4);
    const uint8_t *codes = blocks + 8;
    for (int i = 0; i < 16; i++) {
      elements[i] = scale * (float)((codes[i] & 15) | fifth_bit(high, i)) + least;
    }
    for (int i = 0; i < 16; i++) {
      elements[16 + i] = scale * (float)((codes[i] >> 4) | fifth_bit(high, 16 + i)) + least;
    }
  }
}

CLONES void decode_q8_0(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 34, elements += 32) {
    const float scale = f16_at(blocks);
    const int8_t *codes = (const int8_t *)blocks + 2;
    for (int i = 0; i < 32; i++) elements[i] = (float)codes[i] * scale;
  }
}

// Sixteen values, each times the scale.
INLINE void scale_table(const int8_t *values, float scale, float *table) {
  for (int i = 0; i < 16; i++) table[i] = scale * (float)values[i];
}

// Values by their codes: the low halves of sixteen bytes, then the high ones.
INLINE void look_up(const uint8_t *codes, const float *table, float *restrict elements) {
  for (int i = 0; i < 16; i++) elements[i] = table[codes[i] & 15];
  for (int i = 0; i < 16; i++) elements[16 + i] = table[codes[i] >> 4];
}

static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                     1,    13,   25,  38,  53,  69,  89,  113};

CLONES void decode_iq4_nl(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  float table[16];
  for (ptrdiff_t block = 0; block < count; block++, blocks += 18, elements += 32) {
    scale_table(nonlinear, f16_at(blocks), table);
    look_up(blocks + 2, table, elements);
  }
}

// E2M1, doubled (OCP Microscaling Formats 1.0, section 5.3.3).
static const int8_t e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

// Half of the power of two that E8M0 means, as the values are doubled.
INLINE float half_of_e8m0(uint8_t code) {
  return of_bits(code < 2 ? 0x00200000u << code : (uint32_t)(code - 1) << 23);
}

CLONES void decode_mxfp4(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  float table[16];
  for (ptrdiff_t block = 0; block < count; block++, blocks += 17, elements += 32) {
    scale_table(e2m1, half_of_e8m0(blocks[0]), table);
    look_up(blocks + 1, table, elements);
  }
}

// MARK: 256 elements per block

CLONES void decode_q2_k(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 84) {
    const uint8_t *scales = blocks, *codes = blocks + 16;
    const float scale = f16_at(blocks + 80), least = f16_at(blocks + 82);
    for (int half = 0; half < 2; half++, codes += 32) {
      for (int shift = 0; shift < 8; shift += 2) {
        for (int group = 0; group < 2; group++, scales++, elements += 16) {
          const float own = scale * (float)(*scales & 15), offset = least * (float)(*scales >> 4);
          for (int i = 0; i < 16; i++) {
            elements[i] = own * (float)(codes[16 * group + i] >> shift & 3) - offset;
          }
        }
      }
    }
  }
}

// Four low bits of scale `i` are in the first eight bytes, two high ones in the last four.
INLINE int scale_q3_k(const uint8_t *scales, int i) {
  const int low = scales[i % 8] >> (i / 8 * 4) & 15, high = scales[8 + i % 4] >> (i / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

CLONES void decode_q3_k(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 110) {
    const uint8_t *high = blocks, *codes = blocks + 32, *scales = blocks + 96;
    const float scale = f16_at(blocks + 108);
    int number = 0;
    for (int half = 0; half < 2; half++, codes += 32) {
      for (int shift = 0; shift < 8; shift += 2) {
        const int bit = number / 2;
        for (int group = 0; group < 2; group++, number++, elements += 16) {
          const float own = scale * (float)scale_q3_k(scales, number);
          for (int i = 0; i < 16; i++) {
            const int low = codes[16 * group + i] >> shift & 3;
            elements[i] = own * (float)(low - (((high[16 * group + i] >> bit & 1) ^ 1) << 2));
          }
        }
      }
    }
  }
}

// Scale and least value of group `i` of eight, of six bits each, in twelve bytes.
INLINE int scale_k(const uint8_t *scales, int i) {
  return i < 4 ? scales[i] & 63 : (scales[4 + i] & 15) | (scales[i - 4] >> 2 & 48);
}

INLINE int least_k(const uint8_t *scales, int i) {
  return i < 4 ? scales[4 + i] & 63 : (scales[4 + i] >> 4) | (scales[i] >> 2 & 48);
}

CLONES void decode_q4_k(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 144) {
    const float scale = f16_at(blocks), least = f16_at(blocks + 2);
    const uint8_t *scales = blocks + 4, *codes = blocks + 16;
    for (int group = 0; group < 8; group += 2, codes += 32, elements += 64) {
      const float first = scale * (float)scale_k(scales, group);
      const float first_offset = least * (float)least_k(scales, group);
      const float second = scale * (float)scale_k(scales, group + 1);
      const float second_offset = least * (float)least_k(scales, group + 1);
      for (int i = 0; i < 32; i++) elements[i] = first * (float)(codes[i] & 15) - first_offset;
      for (int i = 0; i < 32; i++) elements[32 + i] = second * (float)(codes[i] >> 4) - second_offset;
    }
  }
}

CLONES void decode_q5_k(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 176) {
    const float scale = f16_at(blocks), least = f16_at(blocks + 2);
    const uint8_t *scales = blocks + 4, *high = blocks + 16, *codes = blocks + 48;
    for (int group = 0; group < 8; group++, elements += 32) {
      const float own = scale * (float)scale_k(scales, group);
      const float offset = least * (float)least_k(scales, group);
      const int shift = group % 2 * 4;
      const uint8_t *low = codes + group / 2 * 32;
      for (int i = 0; i < 32; i++) {
        elements[i] = own * (float)((low[i] >> shift & 15) | (high[i] >> group & 1) << 4) - offset;
      }
    }
  }
}

CLONES void decode_q6_k(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  for (ptrdiff_t block = 0; block < count; block++, blocks += 210) {
    const uint8_t *low = blocks, *high = blocks + 128;
    const int8_t *scales = (const int8_t *)blocks + 192;
    const float scale = f16_at(blocks + 208);
    for (int half = 0; half < 2; half++, low += 64, high += 32) {
      for (int part = 0; part < 4; part++) {
        const uint8_t *codes = low + part % 2 * 32;
        const int shift = part / 2 * 4;
        for (int group = 0; group < 2; group++, scales++, elements += 16) {
          const float own = scale * (float)*scales;
          for (int i = 0; i < 16; i++) {
            const int code = codes[16 * group + i] >> shift & 15;
            elements[i] = own * (float)((code | (high[16 * group + i] >> 2 * part & 3) << 4) - 32);
          }
        }
      }
    }
  }
}

CLONES void decode_iq4_xs(const uint8_t *blocks, float *restrict elements, ptrdiff_t count) {
  float table[16];
  for (ptrdiff_t block = 0; block < count; block++, blocks += 136) {
    const float scale = f16_at(blocks);
    const int high = half_at(blocks + 2);
    const uint8_t *low = blocks + 4, *codes = blocks + 8;
    for (int group = 0; group < 8; group++, codes += 16, elements += 32) {
      const int own = (low[group / 2] >> (group % 2 * 4) & 15) | (high >> 2 * group & 3) << 4;
      scale_table(nonlinear, scale * (float)(own - 32), table);
      look_up(codes, table, elements);
    }
  }
}
