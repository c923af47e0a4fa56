/* Packed layers, and what kernels share. */
#ifndef MZ_LAYER_H
#define MZ_LAYER_H

#include <string.h>

#include "integers.h"
#include "network.h"

/* Inputs are read in steps of four channels.  Lanes are outputs, padded to groups; a kernel computes one group at once.
 * A step of the weights is either int8 (lanes, 4), or int16 (2, lanes, 2), or int16 (4, lanes): see mz_pack_layer. */
struct mz_layer {
    uint32_t mark;
    int32_t kernel, side, outputs;
    int32_t channels[2]; /* of the parts of the inputs */
    int32_t part[2];     /* their steps */
    int32_t steps;       /* of all taps */
    int32_t lanes, groups;
    int64_t size;
    /* Places of arrays, in bytes from the start of this structure.  int32 (groups * lanes): */
    int64_t up, down; /* shifts by -shift, or by shift */
    int64_t rest;     /* 2^down - 1 */
    int64_t even;     /* -2 where down > 0, else -1 */
    int64_t room;     /* largest magnitude of biases */
    int64_t centre;   /* 128 times the sum of the weights */
    /* Of other types: */
    int64_t weights;  /* (groups, steps) */
    int64_t sums;     /* AVX2, uint8 (groups, steps): steps that 16 bits hold, see mz_prove_sums */
};

enum { MZ_MAX_RUNS = 3, MZ_MAX_GROUP = 64 };

#define MZ_ARRAY(type, layer, place) ((const type *)((const char *)(layer) + (layer)->place))

/* Where the inputs of one row of pixels are: runs of steps that are contiguous for each pixel. */
typedef struct {
    int32_t count;
    int32_t steps[MZ_MAX_RUNS];
    ptrdiff_t stride[MZ_MAX_RUNS]; /* from one pixel to the next */
    const uint8_t *at[MZ_MAX_RUNS];
} mz_runs;

/* Where the outputs go: uint8 or int32 (width, stride). */
typedef struct {
    uint8_t *saturated; /* or NULL */
    int32_t *integers;
    ptrdiff_t stride;
    const uint8_t *residual; /* (width, residual_stride), or NULL */
    ptrdiff_t residual_stride;
} mz_results;

/* Computes a row of pixels.  start: (groups * lanes), see mz_start_of. */
#define MZ_ROW(name) \
    void name(const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t width, const mz_results *results)

MZ_ROW(mz_row_portable);
MZ_ROW(mz_row_simd128);
MZ_ROW(mz_row_avx2);
MZ_ROW(mz_row_avx512);
MZ_ROW(mz_row_amx);
MZ_ROW(mz_row_neon);

/* Kernels that this library is compiled with. */
#if defined(__x86_64__)
#define MZ_X86 1
#else
#define MZ_X86 0
#endif
#if defined(__x86_64__) || defined(__wasm_simd128__)
#define MZ_HAS_SIMD128 1
#else
#define MZ_HAS_SIMD128 0
#endif
#if defined(__x86_64__) && defined(__linux__)
#define MZ_HAS_AMX 1
#else
#define MZ_HAS_AMX 0
#endif
#if defined(__aarch64__)
#define MZ_HAS_NEON 1
#else
#define MZ_HAS_NEON 0
#endif

void mz_run_row(const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t width,
                const mz_results *results);

/* Is this a packed layer? */
int mz_is_layer(const mz_layer *layer);

/* What sums of each lane start from: the bias plus one half of what is rounded away.  MZ_ERROR_ARGUMENT for biases with
 * which sums could leave the proved range. */
int mz_start_of(const mz_layer *layer, const int32_t *biases, int32_t *start);

/* Bytes that keep the next part of a workspace aligned. */
MZ_INLINE int64_t mz_padded(int64_t size) { return (size + MZ_ALIGNMENT - 1) / MZ_ALIGNMENT * MZ_ALIGNMENT; }

MZ_INLINE ptrdiff_t mz_lanes_of(const mz_layer *layer) { return (ptrdiff_t)layer->groups * layer->lanes; }

/* Bytes of a pixel of a part as kernels read it. */
MZ_INLINE ptrdiff_t mz_pixel_bytes(const mz_layer *layer, int part) { return 4 * (ptrdiff_t)layer->part[part]; }

MZ_INLINE int mz_is_aligned(const void *memory) { return ((uintptr_t)memory & (MZ_ALIGNMENT - 1)) == 0; }

/* round_half_even((sum + residual * 2^down) * 2^(up - down)), where sum includes one half.  One of up and down is 0.
 * A remainder of 0 is a tie: the nearest even number is below. */
MZ_INLINE int32_t mz_requantise(int32_t sum, int32_t residual, int32_t up, int32_t down, int32_t rest, int32_t even) {
    int32_t x = sum * ((int32_t)1 << up) + residual * ((int32_t)1 << down);
    int32_t rounded = x >> down;
    return (x & rest) == 0 ? rounded & even : rounded;
}

/* Write the sums of a group of lanes of one pixel: for kernels without vectors of shifts. */
MZ_INLINE void mz_write_sums(const mz_layer *layer, int32_t lane, int32_t x, const int32_t *sums,
                             const mz_results *results) {
    const int32_t *up = MZ_ARRAY(int32_t, layer, up) + lane, *down = MZ_ARRAY(int32_t, layer, down) + lane;
    const int32_t *rest = MZ_ARRAY(int32_t, layer, rest) + lane, *even = MZ_ARRAY(int32_t, layer, even) + lane;
    int32_t n = layer->outputs - lane < layer->lanes ? layer->outputs - lane : layer->lanes;
    const uint8_t *residual = results->residual ? results->residual + x * results->residual_stride + lane : NULL;
    ptrdiff_t to = x * results->stride + lane;
    for (int32_t i = 0; i < n; i++) {
        int32_t value = mz_requantise(sums[i], residual ? residual[i] : 0, up[i], down[i], rest[i], even[i]);
        if (results->saturated)
            results->saturated[to + i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        else
            results->integers[to + i] = value;
    }
}

#endif
