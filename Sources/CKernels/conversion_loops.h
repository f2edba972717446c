// The loops of conversions.c at one level. It is included for each: LEVEL names the functions, TARGET is what
// they are compiled for, OF_F16, F16_CODE and OF_F8E4M3 are the level's conversions of one element.

#define LOAD(type, value)                   \
  do {                                      \
    const type *codes = elements;           \
    for (ptrdiff_t i = 0; i < count; i++) { \
      const type code = codes[i];           \
      destination[i] = value;               \
    }                                       \
    return;                                 \
  } while (0)

TARGET static void LEVEL(load)(conversion_format format, const void *elements, float *restrict destination,
                               ptrdiff_t count) {
  switch (format) {
  case conversion_f32: memcpy(destination, elements, (size_t)count * 4); return;
  case conversion_f64: LOAD(stored64, (float)code);
  case conversion_f16: LOAD(stored16, OF_F16(code));
  case conversion_bf16: LOAD(stored16, of_bf16(code));
  case conversion_f8e4m3: LOAD(uint8_t, OF_F8E4M3(code));
  // The upper half of a binary16.
  case conversion_f8e5m2: LOAD(uint8_t, OF_F16((uint16_t)(code << 8)));
  case conversion_bool: LOAD(uint8_t, code ? 1.0f : 0.0f);
  case conversion_u8: LOAD(uint8_t, (float)code);
  }
}

#define STORE(type, code)                   \
  do {                                      \
    type *restrict codes = elements;        \
    for (ptrdiff_t i = 0; i < count; i++) { \
      const float value = source[i];        \
      codes[i] = (type)(code);              \
    }                                       \
    return;                                 \
  } while (0)

TARGET static void LEVEL(store)(conversion_format format, const float *source, void *restrict elements,
                                ptrdiff_t count) {
  switch (format) {
  case conversion_f32: STORE(stored32, canonical(value));
  case conversion_f64: STORE(stored64, canonical(value));
  case conversion_f16: STORE(stored16, F16_CODE(value));
  case conversion_bf16: STORE(stored16, bf16_code(value));
  case conversion_f8e4m3: STORE(uint8_t, f8e4m3_code(value));
  case conversion_f8e5m2: STORE(uint8_t, f8e5m2_code(value));
  case conversion_bool: STORE(uint8_t, value != 0);
  case conversion_u8: STORE(uint8_t, u8_code(value));
  }
}

// The largest magnitude as an integer tells: what is not finite has the largest exponent.
#define HAS_ABOVE(type, mask, infinity)           \
  do {                                            \
    const type *codes = elements;                 \
    type most = 0;                                \
    for (ptrdiff_t i = 0; i < count; i++) {       \
      const type magnitude = codes[i] & (mask);   \
      most = magnitude > most ? magnitude : most; \
    }                                             \
    return most >= (infinity);                    \
  } while (0)

TARGET static bool LEVEL(has_nonfinite)(conversion_format format, const void *elements, ptrdiff_t count) {
  switch (format) {
  case conversion_f32: HAS_ABOVE(signed32, 0x7fffffff, 0x7f800000);
  case conversion_f64: HAS_ABOVE(signed64, INT64_MAX, 0x7ff0000000000000);
  case conversion_f16: HAS_ABOVE(signed16, 0x7fff, 0x7c00);
  case conversion_bf16: HAS_ABOVE(signed16, 0x7fff, 0x7f80);
  case conversion_f8e4m3: HAS_ABOVE(uint8_t, 0x7f, 0x7f);
  case conversion_f8e5m2: HAS_ABOVE(uint8_t, 0x7f, 0x7c);
  case conversion_bool:
  case conversion_u8: return false;
  }
}

#undef HAS_ABOVE

#define AS_F16(value) OF_F16((uint16_t)F16_CODE(value))
#define AS_BF16(value) of_bits(bf16_code(value) << 16)
#define AS_F8E4M3(value) OF_F8E4M3((uint8_t)f8e4m3_code(value))
#define AS_F8E5M2(value) OF_F16((uint16_t)(f8e5m2_code(value) << 8))
#define AS_BOOL(value) ((value) != 0 ? 1.0f : 0.0f)
#define AS_U8(value) (float)u8_code(value)

TARGET static void LEVEL(round)(conversion_format format, const float *source, float *destination,
                                ptrdiff_t count) {
  switch (format) {
  case conversion_f32:
  case conversion_f64: MAP(canonical) return;
  case conversion_f16: MAP(AS_F16) return;
  case conversion_bf16: MAP(AS_BF16) return;
  case conversion_f8e4m3: MAP(AS_F8E4M3) return;
  case conversion_f8e5m2: MAP(AS_F8E5M2) return;
  case conversion_bool: MAP(AS_BOOL) return;
  case conversion_u8: MAP(AS_U8) return;
  }
}

#undef AS_F16
#undef AS_BF16
#undef AS_F8E4M3
#undef AS_F8E5M2
#undef AS_BOOL
#undef AS_U8
#undef STORE
#undef LOAD
#undef TARGET
#undef LEVEL
