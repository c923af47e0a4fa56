/* Convolutions with AMX: products of matrices, 16 pixels x 64 inputs with 64 inputs x 16 outputs. */
#include "layer.h"

#if MZ_HAS_AMX
#include <immintrin.h>

#define TARGET __attribute__((target("amx-tile,amx-int8,avx512f,avx512bw,avx512vl,avx512dq")))

#include "vectors_avx512.h"

enum { PIXELS = 16, TILES = 8 };

/* Shapes of the registers, as the instruction reads them. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} mz_tiles;

/* Registers 0 to 3 hold sums, 4 and 5 pixels, 6 and 7 weights. */
TARGET static void set_shapes(int32_t pixels, int32_t steps) {
    mz_tiles tiles = {1, 0, {0}, {0}, {0}};
    for (int i = 0; i < TILES; i++) {
        tiles.row_bytes[i] = (uint16_t)(i == 4 || i == 5 ? 4 * steps : 4 * LANES);
        tiles.rows[i] = (uint8_t)(i < 6 ? pixels : steps);
    }
    _tile_loadconfig(&tiles);
}

TARGET static void write_sums(const mz_layer *layer, int32_t lane, int32_t x, int32_t pixels, const int32_t *start,
                              const int32_t *sums, const mz_results *results) {
    const mz_rounding rounding = mz_rounding_of(layer, lane);
    const __m512i first = _mm512_load_si512(start + lane);
    for (int32_t p = 0; p < pixels; p++)
        mz_write_vector(&rounding, x + p, _mm512_add_epi32(_mm512_load_si512(sums + p * LANES), first), results);
}

/* Two groups of pixels at x and y, and two groups of lanes.  Each tap is one product. */
TARGET static void block(const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t x, int32_t y,
                         int32_t group, int32_t pixels, const mz_results *results) {
    _Alignas(64) int32_t sums[4][PIXELS * LANES];
    const int32_t steps = layer->part[0], other = group + 1 < layer->groups ? group + 1 : group;
    const ptrdiff_t size = (ptrdiff_t)layer->steps * LANES * 4;
    const int8_t *w0 = MZ_ARRAY(int8_t, layer, weights) + group * size;
    const int8_t *w1 = MZ_ARRAY(int8_t, layer, weights) + other * size;
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (int32_t run = 0; run < runs->count; run++) {
        const ptrdiff_t stride = runs->stride[run];
        const uint8_t *a0 = runs->at[run] + x * stride, *a1 = runs->at[run] + y * stride;
        for (int32_t tap = 0; tap < 3; tap++, a0 += stride, a1 += stride) {
            _tile_loadd(4, a0, stride);
            _tile_loadd(6, w0, 4 * LANES);
            _tile_loadd(7, w1, 4 * LANES);
            _tile_loadd(5, a1, stride);
            _tile_dpbusd(0, 4, 6);
            _tile_dpbusd(1, 4, 7);
            _tile_dpbusd(2, 5, 6);
            _tile_dpbusd(3, 5, 7);
            w0 += 4 * LANES * steps;
            w1 += 4 * LANES * steps;
        }
    }
    _tile_stored(0, sums[0], 4 * LANES);
    _tile_stored(1, sums[1], 4 * LANES);
    _tile_stored(2, sums[2], 4 * LANES);
    _tile_stored(3, sums[3], 4 * LANES);
    write_sums(layer, group * LANES, x, pixels, start, sums[0], results);
    if (other > group) write_sums(layer, other * LANES, x, pixels, start, sums[1], results);
    if (y > x) write_sums(layer, group * LANES, y, pixels, start, sums[2], results);
    if (y > x && other > group) write_sums(layer, other * LANES, y, pixels, start, sums[3], results);
}

/* The last pixels of a row are done again rather than in registers of another shape. */
TARGET MZ_ROW(mz_row_amx) {
    const int32_t pixels = width < PIXELS ? width : PIXELS, last = width - pixels;
    if (width < 1) return;
    set_shapes(pixels, layer->part[0]);
    for (int32_t group = 0; group < layer->groups; group += 2)
        for (int32_t x = 0; x < width; x += 2 * PIXELS) {
            const int32_t first = x < last ? x : last, second = x + PIXELS < last ? x + PIXELS : last;
            block(layer, start, runs, first, second, group, pixels, results);
        }
    _tile_release();
}
#endif
