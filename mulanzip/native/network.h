/* mulanzip's native core: the integer network that predicts subpixels.
 *
 * Integers only.  No global state, no allocation, no dependency.  Functions return MZ_OK or one of MZ_ERROR_*.
 * Feature maps are uint8 (images, height, width, channels).  A layer is
 *
 *     output = round_half_even((sum(weight * input) + bias) * 2^-shift + residual)
 *
 * with weights in -64..64, shifts in -16..16, and sums below 2^24 for every input: packing and every call check this.
 *
 * Callers guarantee that pointers lead to memory of the stated sizes, that nobody else uses it during a call that
 * writes to it, and that packed layers were filled by mz_pack_layer on this machine.
 */
#ifndef MZ_NETWORK_H
#define MZ_NETWORK_H

#include "mulanzip_native.h"

/* Ways to compute.  All give the same numbers. */
enum {
    MZ_KERNEL_PORTABLE = 0,
    MZ_KERNEL_SIMD128 = 1, /* SSE2, SIMD of WebAssembly */
    MZ_KERNEL_AVX2 = 2,
    MZ_KERNEL_AVX512 = 3, /* VNNI */
    MZ_KERNEL_AMX = 4,
    MZ_KERNEL_NEON = 5, /* dot products */
    MZ_KERNELS = 6
};

enum {
    MZ_WEIGHT_MAX = 64,
    MZ_SHIFT_MAX = 16,
    MZ_MAX_CHANNELS = 4096,
    MZ_MAX_SIDE = 1 << 15,    /* of maps, in cells */
    MZ_ALIGNMENT = 64,        /* of packed layers and workspaces */
    MZ_INPUT_PLANES = 31,
    MZ_GRAY_INPUT_PLANES = 22,
    MZ_COARSE_BITS = 4,       /* log2 of the levels in a step of coarse differences */
    MZ_OFFSET_PLANES = 4,     /* per colour */
    MZ_KNOWN = 32             /* stands for "known" in the mask planes */
};

/* 1 if this machine runs a kernel, else 0.  On Linux, asking for AMX asks the kernel for its registers. */
MZ_API int mz_has_kernel(int32_t kernel);

/* Sizes of a convolution.  Inputs come in one or two parts, which follow each other in the weights. */
typedef struct {
    int32_t kernel;      /* of MZ_KERNEL_* */
    int32_t side;        /* 1 or 3; 3 has zeros around maps */
    int32_t outputs;     /* channels, 1..MZ_MAX_CHANNELS */
    int32_t channels[2]; /* of the parts; the second may be 0, and is with side 3 */
} mz_layer_shape;

/* A layer as its kernel wants it; see mz_pack_layer.  Biases are no part of it. */
typedef struct mz_layer mz_layer;

/* Bytes of a packed layer; -1 for sizes that are out of range. */
MZ_API int64_t mz_packed_size(const mz_layer_shape *shape);

/* weights: (outputs, channels, side, side); shifts: (outputs). */
MZ_API int mz_pack_layer(const mz_layer_shape *shape, const int8_t *weights, const int8_t *shifts, mz_layer *packed,
                         int64_t size);

/* One layer.  Bytes of its workspace; -1 for bad arguments. */
MZ_API int64_t mz_layer_workspace(const mz_layer *layer, int32_t width);

/* inputs: (images, height, width, channels) of the only part; biases: (outputs); residual: like the result, or NULL.
 * Exactly one of saturated (uint8, clamped to 0..255) and integers is no NULL: (images, height, width, outputs). */
MZ_API int mz_run_layer(const mz_layer *layer, const int32_t *biases, const uint8_t *inputs, int32_t images,
                        int32_t height, int32_t width, const uint8_t *residual, uint8_t *saturated, int32_t *integers,
                        void *workspace, int64_t size);

/* A pass: a stem, then pairs of layers whose second one adds its result to the input of the pair.  count is odd.
 * All layers have side 3 and the same number of outputs.  Bytes of its workspace; -1 for bad arguments. */
MZ_API int64_t mz_pass_workspace(const mz_layer *const *layers, int32_t count, int32_t width);

/* biases: (count, outputs); planes: (images, height, width, inputs); start: features that the stem adds, or NULL.
 * Writes rows top..bottom - 1 of features (images, height, width, outputs), so that threads can share a map. */
MZ_API int mz_run_pass(const mz_layer *const *layers, const int32_t *biases, int32_t count, const uint8_t *planes,
                       int32_t images, int32_t height, int32_t width, int32_t top, int32_t bottom,
                       const uint8_t *start, uint8_t *features, void *workspace, int64_t size);

/* A head: parameters of one colour.  hidden has parts (features, offset planes), or is NULL for the first colour; out
 * has parts (features, outputs of hidden).  Bytes of its workspace; -1 for bad arguments. */
MZ_API int64_t mz_head_workspace(const mz_layer *hidden, const mz_layer *out);

/* features: (n, channels); planes: (n, offset planes) or NULL.  The first outputs go to saturated, uint8 (saturations,
 * n); the others to integers, (outputs - saturations, n). */
MZ_API int mz_run_head(const mz_layer *hidden, const int32_t *hidden_biases, const mz_layer *out,
                       const int32_t *out_biases, const uint8_t *features, const uint8_t *planes, int64_t n,
                       int32_t saturations, uint8_t *saturated, int32_t *integers, void *workspace, int64_t size);

/* Planes that tell the values of colours to those after them.  offsets: (colours, n), value minus base prediction in
 * 2^-5 level; planes: (n, 4 * colours), per colour the positive and the negative part in eighths of a level, then in
 * levels. */
MZ_API int mz_offset_planes(const int32_t *offsets, int32_t colours, int64_t n, uint8_t *planes);

/* Cells of one lattice level, four phases A, H, V, D of three colours or one. */
typedef struct {
    int32_t images, height, width;
    int32_t colours;           /* 3 or 1 */
    int32_t count, log2_steps; /* of the samples, as in mz_scale */
    const int32_t *samples;    /* (images, height, width, 4, colours), 0..count - 1; not read where unknown */
    const uint8_t *known;      /* (height, width, 4), 0 or 1, the same for all images */
} mz_cells;

/* Inputs of a stem: (images, height, width, MZ_INPUT_PLANES), or MZ_GRAY_INPUT_PLANES for one colour. */
MZ_API int mz_input_planes(const mz_cells *cells, uint8_t *planes);

/* Mean of the nearest known pixels of a phase 1..3 in 2^-5 level, for rows top..bottom - 1 and columns left..right - 1:
 * (colours, images * rows * columns). */
MZ_API int mz_base_prediction(const mz_cells *cells, int32_t phase, int32_t top, int32_t bottom, int32_t left,
                              int32_t right, int32_t *base);

#endif
