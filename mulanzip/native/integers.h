/* Integer helpers, the same on every compiler.
 *
 * x >> n of a negative x is taken to be floor(x / 2^n), as in every compiler that the library is built with.  Negative
 * numbers are multiplied, never shifted left.  Ranges stand beside products that come near 2^63. */
#ifndef MZ_INTEGERS_H
#define MZ_INTEGERS_H

#include <stdint.h>

#define MZ_INLINE static inline __attribute__((always_inline))

MZ_INLINE int64_t mz_clip(int64_t x, int64_t low, int64_t high) { return x < low ? low : x > high ? high : x; }

/* Number of bits of x >= 0: 0 for 0. */
MZ_INLINE int mz_bit_length(uint64_t x) {
    return x ? 64 - __builtin_clzll(x) : 0;
}

/* The upper 64 bits of a product. */
MZ_INLINE uint64_t mz_multiply_high(uint64_t a, uint64_t b) {
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t low = a0 * b0, middle = a1 * b0 + (low >> 32), other = a0 * b1 + (uint32_t)middle;
    return a1 * b1 + (middle >> 32) + (other >> 32);
}

#endif
