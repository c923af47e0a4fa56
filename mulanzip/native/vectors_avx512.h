/* Results of the kernels with vectors of 512 bits, which define TARGET: the instructions that they may use. */
#ifndef MZ_VECTORS_AVX512_H
#define MZ_VECTORS_AVX512_H

#include <immintrin.h>

#include "layer.h"

enum { LANES = 16 };

/* How a vector of outputs is scaled and rounded, and which of its lanes are outputs. */
typedef struct {
    int32_t lane;
    __mmask16 some;
    __m512i up, down, rest, even;
} mz_rounding;

static inline __attribute__((always_inline)) TARGET mz_rounding mz_rounding_of(const mz_layer *layer, int32_t lane) {
    const int32_t left = layer->outputs - lane;
    return (mz_rounding){
        lane,
        left >= LANES ? 0xffff : (__mmask16)((1u << left) - 1),
        _mm512_load_si512(MZ_ARRAY(int32_t, layer, up) + lane),
        _mm512_load_si512(MZ_ARRAY(int32_t, layer, down) + lane),
        _mm512_load_si512(MZ_ARRAY(int32_t, layer, rest) + lane),
        _mm512_load_si512(MZ_ARRAY(int32_t, layer, even) + lane),
    };
}

/* Write a vector of outputs of one pixel. */
static inline __attribute__((always_inline)) TARGET void mz_write_vector(const mz_rounding *r, int32_t x, __m512i sums,
                                                                         const mz_results *results) {
    sums = _mm512_sllv_epi32(sums, r->up);
    if (results->residual) {
        const uint8_t *residual = results->residual + x * results->residual_stride + r->lane;
        const __m128i bytes = _mm_maskz_loadu_epi8(r->some, residual);
        sums = _mm512_add_epi32(sums, _mm512_sllv_epi32(_mm512_cvtepu8_epi32(bytes), r->down));
    }
    __m512i values = _mm512_srav_epi32(sums, r->down);
    values = _mm512_mask_and_epi32(values, _mm512_testn_epi32_mask(sums, r->rest), values, r->even);
    if (results->saturated)
        _mm512_mask_cvtusepi32_storeu_epi8(results->saturated + x * results->stride + r->lane, r->some,
                                           _mm512_max_epi32(values, _mm512_setzero_si512()));
    else
        _mm512_mask_storeu_epi32(results->integers + x * results->stride + r->lane, r->some, values);
}

#endif
