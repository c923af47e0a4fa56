/* Convolutions in plain C, for every machine: loops over lanes that compilers make vectors of. */
#include "layer.h"

enum { LANES = 16, PIXELS = 4 };

/* Two products fit in 16 bits: 2 * 255 * 64 < 2^15. */
MZ_INLINE void add_pair(int32_t *sums, const int16_t *weights, int16_t first, int16_t second) {
    for (int i = 0; i < LANES; i++) sums[i] += (int16_t)(weights[i] * first + weights[LANES + i] * second);
}

MZ_ROW(mz_row_portable) {
    const int16_t *const weights = MZ_ARRAY(int16_t, layer, weights);
    for (int32_t group = 0; group < layer->groups; group++)
        for (int32_t x = 0; x < width; x += PIXELS) {
            const int32_t pixels = width - x < PIXELS ? width - x : PIXELS;
            const int16_t *w = weights + (ptrdiff_t)group * layer->steps * LANES * 4;
            int32_t sums[PIXELS][LANES];
            for (int p = 0; p < PIXELS; p++) memcpy(sums[p], start + group * LANES, sizeof sums[p]);
            for (int32_t run = 0; run < runs->count; run++) {
                const uint8_t *a[PIXELS];
                for (int p = 0; p < PIXELS; p++)
                    a[p] = runs->at[run] + (x + (p < pixels ? p : 0)) * runs->stride[run];
                for (int32_t pair = 0; pair < 2 * runs->steps[run]; pair++, w += 2 * LANES)
                    for (int p = 0; p < PIXELS; p++) add_pair(sums[p], w, a[p][2 * pair], a[p][2 * pair + 1]);
            }
            for (int32_t p = 0; p < pixels; p++) mz_write_sums(layer, group * LANES, x + p, sums[p], results);
        }
}
