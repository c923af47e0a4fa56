/* Convolutions with 128-bit vectors that SSE2 and WebAssembly have: products of 16 bits, added up in pairs. */
#include "layer.h"

#if MZ_HAS_SIMD128

#if MZ_X86
#include <emmintrin.h>

typedef __m128i vector;
#define LOAD(from) _mm_load_si128((const __m128i *)(from))
#define STORE(to, x) _mm_store_si128((__m128i *)(to), x)
#define ADD(x, y) _mm_add_epi32(x, y)
#define PAIRS(x, y) _mm_madd_epi16(x, y)
/* Four bytes, widened. */
MZ_INLINE vector four_inputs(const uint8_t *a) {
    int32_t bytes;
    memcpy(&bytes, a, sizeof bytes);
    return _mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), _mm_setzero_si128());
}
/* The first and the second two of them, in all lanes. */
#define FIRST(x) _mm_shuffle_epi32(x, 0x00)
#define SECOND(x) _mm_shuffle_epi32(x, 0x55)
#else
#include <wasm_simd128.h>

typedef v128_t vector;
#define LOAD(from) wasm_v128_load(from)
#define STORE(to, x) wasm_v128_store(to, x)
#define ADD(x, y) wasm_i32x4_add(x, y)
#define PAIRS(x, y) wasm_i32x4_dot_i16x8(x, y)
MZ_INLINE vector four_inputs(const uint8_t *a) { return wasm_u16x8_extend_low_u8x16(wasm_v128_load32_zero(a)); }
#define FIRST(x) wasm_i32x4_shuffle(x, x, 0, 0, 0, 0)
#define SECOND(x) wasm_i32x4_shuffle(x, x, 1, 1, 1, 1)
#endif

enum { LANES = 16, VECTORS = 4, PIXELS = 3 };

MZ_INLINE void block(const int pixels, const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t x,
                     int32_t group, const mz_results *results) {
    vector sums[PIXELS][VECTORS];
    const int16_t *w = MZ_ARRAY(int16_t, layer, weights) + (ptrdiff_t)group * layer->steps * LANES * 4;
#pragma GCC unroll 3
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < VECTORS; v++) sums[p][v] = LOAD(start + group * LANES + 4 * v);
    for (int32_t run = 0; run < runs->count; run++) {
        const ptrdiff_t stride = runs->stride[run];
        const uint8_t *a = runs->at[run] + x * stride;
#pragma GCC unroll 1
        for (int32_t step = 0; step < runs->steps[run]; step++, a += 4, w += 4 * LANES)
#pragma GCC unroll 3
            for (int p = 0; p < pixels; p++) {
                const vector inputs = four_inputs(a + p * stride), first = FIRST(inputs), second = SECOND(inputs);
#pragma GCC unroll 4
                for (int v = 0; v < VECTORS; v++) {
                    sums[p][v] = ADD(sums[p][v], PAIRS(first, LOAD(w + 8 * v)));
                    sums[p][v] = ADD(sums[p][v], PAIRS(second, LOAD(w + 2 * LANES + 8 * v)));
                }
            }
    }
    _Alignas(16) int32_t stored[LANES];
    for (int p = 0; p < pixels; p++) {
        for (int v = 0; v < VECTORS; v++) STORE(stored + 4 * v, sums[p][v]);
        mz_write_sums(layer, group * LANES, x + p, stored, results);
    }
}

MZ_ROW(mz_row_simd128) {
    for (int32_t group = 0; group < layer->groups; group++) {
        int32_t x = 0;
        for (; x + PIXELS <= width; x += PIXELS) block(PIXELS, layer, start, runs, x, group, results);
        for (; x < width; x++) block(1, layer, start, runs, x, group, results);
    }
}
#endif
