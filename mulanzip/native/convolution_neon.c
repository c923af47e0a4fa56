/* Convolutions with the dot products of 64-bit ARM: sums of four products of signed bytes in 32 bits. */
#include "layer.h"

#if MZ_HAS_NEON
#include <arm_neon.h>

#if defined(__clang__)
#define TARGET __attribute__((target("dotprod")))
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 16, VECTORS = 4, PIXELS = 4 };

/* Inputs minus 128 are signed bytes.  Sums start from 128 times the weights to make up for it. */
INLINE int8x16_t as_signed(uint8x16_t inputs) { return vreinterpretq_s8_u8(veorq_u8(inputs, vdupq_n_u8(128))); }

INLINE int8x16_t four_inputs(const uint8_t *a) {
    uint32_t four;
    memcpy(&four, a, 4);
    return as_signed(vreinterpretq_u8_u32(vdupq_n_u32(four)));
}

#define ADD_STEP(i)                                                                                             \
    for (int v = 0; v < VECTORS; v++) {                                                                         \
        const int8x16_t weights = vld1q_s8(w + 64 * (i) + 16 * v);                                              \
        for (int p = 0; p < pixels; p++) sums[p][v] = vdotq_laneq_s32(sums[p][v], weights, inputs[p], i);       \
    }

INLINE void block(const int pixels, const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t x,
                  int32_t group, const mz_results *results) {
    int32x4_t sums[PIXELS][VECTORS];
    const int32_t lane = group * LANES;
    const int8_t *w = MZ_ARRAY(int8_t, layer, weights) + (ptrdiff_t)lane * layer->steps * 4;
    const int32_t *centre = MZ_ARRAY(int32_t, layer, centre) + lane;
    for (int p = 0; p < pixels; p++)
        for (int v = 0; v < VECTORS; v++)
            sums[p][v] = vaddq_s32(vld1q_s32(start + lane + 4 * v), vld1q_s32(centre + 4 * v));
    for (int32_t run = 0; run < runs->count; run++) {
        const ptrdiff_t stride = runs->stride[run];
        const uint8_t *a = runs->at[run] + x * stride;
        int32_t left = runs->steps[run];
        int8x16_t inputs[PIXELS];
        for (; left >= 4; left -= 4, a += 16, w += 256) {
            for (int p = 0; p < pixels; p++) inputs[p] = as_signed(vld1q_u8(a + p * stride));
            ADD_STEP(0)
            ADD_STEP(1)
            ADD_STEP(2)
            ADD_STEP(3)
        }
        for (; left > 0; left--, a += 4, w += 64) {
            for (int p = 0; p < pixels; p++) inputs[p] = four_inputs(a + p * stride);
            ADD_STEP(0)
        }
    }
    int32_t stored[LANES];
    for (int p = 0; p < pixels; p++) {
        for (int v = 0; v < VECTORS; v++) vst1q_s32(stored + 4 * v, sums[p][v]);
        mz_write_sums(layer, lane, x + p, stored, results);
    }
}

TARGET MZ_ROW(mz_row_neon) {
    for (int32_t group = 0; group < layer->groups; group++) {
        int32_t x = 0;
        for (; x + PIXELS <= width; x += PIXELS) block(PIXELS, layer, start, runs, x, group, results);
        for (; x < width; x++) block(1, layer, start, runs, x, group, results);
    }
}
#endif
