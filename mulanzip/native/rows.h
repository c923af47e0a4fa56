/* Rows of a map as 3x3 kernels read them: three at a time, zeros around, channels padded to steps. */
#ifndef MZ_ROWS_H
#define MZ_ROWS_H

#include "layer.h"

/* A ring of the last three rows of a map, and what is outside of the map. */
typedef struct {
    uint8_t *rows;
    const uint8_t *outside; /* zeros, at least as long as a row */
    ptrdiff_t pixel, row;   /* bytes */
} mz_ring;

/* Bytes of a row with a pixel of zeros at each end. */
MZ_INLINE int64_t mz_row_bytes(int32_t width, ptrdiff_t pixel) { return mz_padded((int64_t)(width + 2) * pixel); }

/* Where the pixels of row y are. */
MZ_INLINE uint8_t *mz_row_of(const mz_ring *ring, int32_t y) { return ring->rows + y % 3 * ring->row + ring->pixel; }

/* What the outputs of row y see. */
MZ_INLINE mz_runs mz_runs_around(const mz_ring *ring, int32_t y, int32_t height) {
    mz_runs runs;
    runs.count = 3;
    for (int i = 0; i < 3; i++) {
        int32_t from = y + i - 1;
        runs.at[i] = from >= 0 && from < height ? mz_row_of(ring, from) - ring->pixel : ring->outside;
        runs.stride[i] = ring->pixel;
        runs.steps[i] = (int32_t)(3 * ring->pixel / 4);
    }
    return runs;
}

/* Copy pixels to where each takes more bytes; those after the channels stay as they are. */
MZ_INLINE void mz_spread(const uint8_t *from, int32_t channels, int64_t count, uint8_t *to, ptrdiff_t pixel) {
    if (pixel == channels) {
        memcpy(to, from, (size_t)(count * channels));
        return;
    }
    for (int64_t i = 0; i < count; i++) memcpy(to + i * pixel, from + i * channels, (size_t)channels);
}

#endif
