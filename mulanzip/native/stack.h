/* What a slice of a stack sees of earlier slices: docs/format.md, "Earlier slices". */
#ifndef MZ_STACK_H
#define MZ_STACK_H

#include "learner.h"

/* Of the first earlier slice more is looked at than of the second. */
static const int8_t mz_earlier_residuals[MZ_MAX_EARLIER] = {9, 1}, mz_earlier_pixels[MZ_MAX_EARLIER] = {5, 1};

typedef struct {
    int slices;
    const int32_t *values;
    const int8_t *residuals;
    ptrdiff_t size;  /* of the planes of a slice */
    ptrdiff_t at[9]; /* the pixel itself, then its neighbours in the level, as distances in the planes */
} mz_earlier;

MZ_INLINE mz_earlier mz_earlier_of(const mz_tile *tile, int phase) {
    static const int8_t around[9][2] = {{0, 0}, {0, -1}, {-1, 0}, {0, 1}, {1, 0}, {-1, -1}, {-1, 1}, {1, -1}, {1, 1}};
    ptrdiff_t row = tile->width + 2 * MZ_BORDER, plane = (tile->height + 2 * MZ_BORDER) * row;
    mz_earlier found = {tile->earlier, tile->earlier_values, tile->earlier_residuals, MZ_PHASES * plane, {0}};
    for (int i = 0; i < 9; i++) {
        int y = (phase >> 1) + around[i][0], x = (phase & 1) + around[i][1];
        found.at[i] = (2 * (y & 1) + (x & 1) - phase) * plane + (y >> 1) * row + (x >> 1);
    }
    return found;
}

/* Add features after those of the slice itself.
 * here: of the pixel in the planes of a slice.  kept: of the pixel, among the residuals of the present slice; the
 * first of its features are those at the given distances from it. */
MZ_INLINE void mz_add_earlier(const mz_tables *t, const mz_positions *p, const mz_earlier *e, ptrdiff_t here,
                              const int8_t *kept, const ptrdiff_t *distances, int count, int pixels, mz_outlook *o) {
    int64_t inverse = t->inverse_sigma[o->sigma], mean = o->mean * ((int64_t)1 << p->down);
    int j = count + pixels + 1;
    for (int s = 0; s < e->slices; s++) {
        const int8_t *residuals = e->residuals + s * e->size + here;
        const int32_t *values = e->values + s * e->size + here;
        for (int i = 0; i < mz_earlier_residuals[s]; i++) o->features[j++] = residuals[e->at[i]];
        /* The regression of residuals on those of the earlier slice, around the pixel. */
        int32_t product = 0, square = 0;
        for (int i = 0; i < count; i++) {
            int32_t before = residuals[distances[i]];
            product += kept[distances[i]] * before;
            square += before * before;
        }
        int32_t slope = square ? (int32_t)mz_floor_divide(product * 256, square) : 0;
        o->features[j++] = (int16_t)mz_clip((slope * residuals[0]) >> 8, -96, 96);
        for (int i = 0; i < mz_earlier_pixels[s]; i++) {
            int32_t value = values[e->at[i]], known = value < 0 ? 0 : value;
            int64_t x = mz_clip(((mz_centre(p, known) - mean) * inverse) >> (17 + p->down), -16, 16);
            o->features[j++] = value < 0 ? 0 : (int16_t)x;
        }
    }
}

#endif
