/* Convolutions with AVX-512 VNNI: sums of four products in 32 bits, in one instruction. */
#include "layer.h"

#if MZ_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#include "vectors_avx512.h"

enum { MAX_VECTORS = 4, MAX_PIXELS = 12 };

/* Some pixels of a group of vectors: the sums stay in registers. */
INLINE void block(const int pixels, const int vectors, const mz_layer *layer, const int32_t *start, const mz_runs *runs,
                  int32_t x, int32_t group, const mz_results *results) {
    __m512i sums[MAX_PIXELS][MAX_VECTORS];
    const int32_t lane = group * vectors * LANES;
    const int8_t *w = MZ_ARRAY(int8_t, layer, weights) + (ptrdiff_t)lane * layer->steps * 4;
#pragma GCC unroll 12
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[p][v] = _mm512_load_si512(start + lane + v * LANES);
    for (int32_t run = 0; run < runs->count; run++) {
        const ptrdiff_t stride = runs->stride[run];
        /* Every third pixel has a pointer; those between are at one and two strides from it. */
        const uint8_t *a[MAX_PIXELS / 3];
#pragma GCC unroll 4
        for (int i = 0; i < MAX_PIXELS / 3; i++) a[i] = runs->at[run] + (x + 3 * i) * stride;
        const int32_t steps = runs->steps[run];
#pragma GCC unroll 1
        for (int32_t step = 0; step < steps; step++) {
            __m512i weights[MAX_VECTORS];
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) weights[v] = _mm512_load_si512(w + 64 * v);
#pragma GCC unroll 12
            for (int p = 0; p < pixels; p++) {
                int32_t four;
                memcpy(&four, a[p / 3] + p % 3 * stride, 4);
                const __m512i inputs = _mm512_set1_epi32(four);
#pragma GCC unroll 4
                for (int v = 0; v < vectors; v++) sums[p][v] = _mm512_dpbusd_epi32(sums[p][v], inputs, weights[v]);
            }
#pragma GCC unroll 4
            for (int i = 0; i < MAX_PIXELS / 3; i++) a[i] += 4;
            w += 64 * vectors;
        }
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        if (lane + v * LANES >= layer->outputs) break;
        const mz_rounding rounding = mz_rounding_of(layer, lane + v * LANES);
#pragma GCC unroll 12
        for (int p = 0; p < pixels; p++) mz_write_vector(&rounding, x + p, sums[p][v], results);
    }
}

/* Rows of groups of vectors.  What is left of a row is done at once. */
#define ROW_OF(vectors, most)                                                                                        \
    TARGET static void row_of_##vectors(const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t width, \
                                        const mz_results *results) {                                                 \
        for (int32_t group = 0; group < layer->groups; group++) {                                                    \
            int32_t x = 0;                                                                                           \
            for (; x + most <= width; x += most) block(most, vectors, layer, start, runs, x, group, results);        \
            if (width - x >= most / 2) {                                                                             \
                block(most / 2, vectors, layer, start, runs, x, group, results);                                     \
                x += most / 2;                                                                                       \
            }                                                                                                        \
            if (width - x >= 2) {                                                                                    \
                block(2, vectors, layer, start, runs, x, group, results);                                            \
                x += 2;                                                                                              \
            }                                                                                                        \
            for (; x < width; x++) block(1, vectors, layer, start, runs, x, group, results);                         \
        }                                                                                                            \
    }
ROW_OF(4, 6)
ROW_OF(3, 8)
ROW_OF(2, 12)
ROW_OF(1, 12)

MZ_ROW(mz_row_avx512) {
    switch (layer->lanes / LANES) {
    case 4: row_of_4(layer, start, runs, width, results); break;
    case 3: row_of_3(layer, start, runs, width, results); break;
    case 2: row_of_2(layer, start, runs, width, results); break;
    default: row_of_1(layer, start, runs, width, results);
    }
}
#endif
