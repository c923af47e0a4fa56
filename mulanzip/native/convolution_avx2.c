/* Convolutions with AVX2: sums of products in 16 bits, as many as packing proves to fit, then in 32 bits. */
#include "layer.h"

#if MZ_X86
#include <immintrin.h>

#define TARGET __attribute__((target("avx2")))
#define INLINE static inline __attribute__((always_inline)) TARGET

enum { LANES = 8, MAX_VECTORS = 4, MAX_PIXELS = 4 };

/* Keep a value in its register, and the order of what is done.  Compilers that find sums in one expression rather add
 * them up in another order, for which there are too few registers. */
#define KEEP(vector) __asm__("" : "+x"(vector))
/* Weights are operands in memory.  Held over pixels they would take all registers. */
#define FORGET_WEIGHTS(w) __asm__ volatile("" : "+r"(w))

INLINE __m256i products(__m256i inputs, const int8_t *w) {
    return _mm256_maddubs_epi16(inputs, _mm256_load_si256((const __m256i *)w));
}

INLINE __m256i four_inputs(const uint8_t *a) {
    int32_t four;
    memcpy(&four, a, 4);
    return _mm256_set1_epi32(four);
}

/* Add a number of steps to the sums, the products of together of them in 16 bits: 1, 2 or 4. */
INLINE void add_steps(const int steps, const int together, const int pixels, const int vectors,
                      __m256i sums[MAX_PIXELS][MAX_VECTORS], const uint8_t *a, ptrdiff_t stride, const int8_t *w) {
    const __m256i ones = _mm256_set1_epi16(1);
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int first = 0; first < steps; first += together) {
            __m256i inputs[4];
            FORGET_WEIGHTS(w);
#pragma GCC unroll 4
            for (int i = 0; i < together; i++) inputs[i] = four_inputs(a + p * stride + 4 * (first + i));
#pragma GCC unroll 4
            for (int v = 0; v < vectors; v++) {
                __m256i sum = products(inputs[0], w + 32 * (first * vectors + v));
#pragma GCC unroll 4
                for (int i = 1; i < together; i++)
                    sum = _mm256_add_epi16(sum, products(inputs[i], w + 32 * ((first + i) * vectors + v)));
                sums[p][v] = _mm256_add_epi32(sums[p][v], _mm256_madd_epi16(sum, ones));
                KEEP(sums[p][v]);
            }
        }
}

/* A vector of outputs of one pixel. */
INLINE void write_vector(const mz_layer *layer, int32_t lane, int32_t x, __m256i sums, const mz_results *results) {
    const int32_t left = layer->outputs - lane;
    const size_t some = left >= LANES ? LANES : (size_t)left;
    const __m256i up = _mm256_load_si256((const __m256i *)(MZ_ARRAY(int32_t, layer, up) + lane));
    const __m256i down = _mm256_load_si256((const __m256i *)(MZ_ARRAY(int32_t, layer, down) + lane));
    const __m256i rest = _mm256_load_si256((const __m256i *)(MZ_ARRAY(int32_t, layer, rest) + lane));
    const __m256i even = _mm256_load_si256((const __m256i *)(MZ_ARRAY(int32_t, layer, even) + lane));
    sums = _mm256_sllv_epi32(sums, up);
    if (results->residual) {
        const uint8_t *from = results->residual + x * results->residual_stride + lane;
        __m128i bytes = _mm_setzero_si128();
        if (some == LANES)
            bytes = _mm_loadl_epi64((const __m128i *)from);
        else
            memcpy(&bytes, from, some);
        sums = _mm256_add_epi32(sums, _mm256_sllv_epi32(_mm256_cvtepu8_epi32(bytes), down));
    }
    const __m256i tie = _mm256_cmpeq_epi32(_mm256_and_si256(sums, rest), _mm256_setzero_si256());
    /* Where there is a tie, even; else all ones. */
    const __m256i kept = _mm256_or_si256(even, _mm256_xor_si256(tie, _mm256_set1_epi32(-1)));
    const __m256i values = _mm256_and_si256(_mm256_srav_epi32(sums, down), kept);
    if (results->saturated) {
        uint8_t *to = results->saturated + x * results->stride + lane;
        const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(values), _mm256_extracti128_si256(values, 1));
        const __m128i bytes = _mm_packus_epi16(words, words);
        if (some == LANES)
            _mm_storel_epi64((__m128i *)to, bytes);
        else
            memcpy(to, &bytes, some);
    } else {
        memcpy(results->integers + x * results->stride + lane, &values, 4 * some);
    }
}

/* Some pixels of a group of vectors.  together: for every four steps, see mz_layer.sums. */
INLINE void block(const int pixels, const int vectors, const mz_layer *layer, const int32_t *start, const mz_runs *runs,
                  int32_t x, int32_t group, const uint8_t *together, const mz_results *results) {
    __m256i sums[MAX_PIXELS][MAX_VECTORS];
    const int32_t lane = group * vectors * LANES;
    const int8_t *w = MZ_ARRAY(int8_t, layer, weights) + (ptrdiff_t)lane * layer->steps * 4;
#pragma GCC unroll 4
    for (int p = 0; p < pixels; p++)
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
            sums[p][v] = _mm256_load_si256((const __m256i *)(start + lane + v * LANES));
    for (int32_t run = 0; run < runs->count; run++) {
        const ptrdiff_t stride = runs->stride[run];
        const uint8_t *a = runs->at[run] + x * stride;
        int32_t left = runs->steps[run];
        for (; left >= 4; left -= 4, a += 16, w += 128 * vectors) {
            const int how = *together++;
            if (how == 4)
                add_steps(4, 4, pixels, vectors, sums, a, stride, w);
            else if (how == 2)
                add_steps(4, 2, pixels, vectors, sums, a, stride, w);
            else
                add_steps(4, 1, pixels, vectors, sums, a, stride, w);
        }
        for (; left > 0; left--, a += 4, w += 32 * vectors) add_steps(1, 1, pixels, vectors, sums, a, stride, w);
    }
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
        if (lane + v * LANES >= layer->outputs) break;
#pragma GCC unroll 4
        for (int p = 0; p < pixels; p++) write_vector(layer, lane + v * LANES, x + p, sums[p][v], results);
    }
}

#define ROW_OF(vectors, most)                                                                                        \
    TARGET static void row_of_##vectors(const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t width, \
                                        const mz_results *results) {                                                 \
        int32_t fours = 0;                                                                                           \
        for (int32_t run = 0; run < runs->count; run++) fours += runs->steps[run] / 4;                               \
        const uint8_t *together = MZ_ARRAY(uint8_t, layer, sums);                                                    \
        for (int32_t group = 0; group < layer->groups; group++, together += fours) {                                 \
            int32_t x = 0;                                                                                           \
            for (; x + most <= width; x += most)                                                                     \
                block(most, vectors, layer, start, runs, x, group, together, results);                               \
            for (; x < width; x++) block(1, vectors, layer, start, runs, x, group, together, results);               \
        }                                                                                                            \
    }
ROW_OF(4, 2)
ROW_OF(3, 2)
ROW_OF(2, 4)
ROW_OF(1, 4)

MZ_ROW(mz_row_avx2) {
    switch (layer->lanes / LANES) {
    case 4: row_of_4(layer, start, runs, width, results); break;
    case 3: row_of_3(layer, start, runs, width, results); break;
    case 2: row_of_2(layer, start, runs, width, results); break;
    default: row_of_1(layer, start, runs, width, results);
    }
}
#endif
