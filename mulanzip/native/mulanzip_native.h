/* mulanzip's native core: the likelihood of subpixels, the correction that learns while it codes, and rANS.
 *
 * Integers only.  No global state, no allocation, no dependency.  Functions return MZ_OK or one of MZ_ERROR_*.
 * docs/format.md specifies every table, formula and order; names here are those of its text.
 *
 * Callers guarantee that pointers lead to memory of the stated sizes, and that nobody else uses it during a call that
 * writes to it.  What the memory holds may come from a hostile file: any words, parameters, edges and planes are safe.
 * Decoded values are always in 0..count - 1.  Scales, sizes and numbers that are out of range are MZ_ERROR_ARGUMENT;
 * so are values to encode or to measure.
 */
#ifndef MULANZIP_NATIVE_H
#define MULANZIP_NATIVE_H

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#define MZ_API __declspec(dllexport)
#else
#define MZ_API __attribute__((visibility("default")))
#endif

enum { MZ_OK = 0, MZ_ERROR_ARGUMENT = 1, MZ_ERROR_SPACE = 2 };

/* Sizes. */
enum {
    MZ_MAX_COMPONENTS = 7,
    MZ_MAX_COLOURS = 3,
    MZ_PHASES = 4,
    MZ_BORDER = 2,                  /* cells around a tile in planes */
    MZ_SLOT_BITS = 24,              /* rANS probabilities */
    MZ_CDF_BITS = 20,               /* cumulative probabilities of categories */
    MZ_MEAN_BITS = 5,               /* fractional bits of means and positions, in levels */
    MZ_LOGISTIC_HALF = 12288,       /* steps of the logistic table on each side of its middle */
    MZ_LOG_SCALE_MIN = -512,        /* log scales, in 1/256 nat */
    MZ_STRIDE_BITS = 6,             /* every 64th step serves samples finer than levels, with straight lines between */
    MZ_COARSE = (2 * MZ_LOGISTIC_HALF >> MZ_STRIDE_BITS) + 1,
    MZ_LOG_SCALES = 3072,
    MZ_SIGMAS = 2048,
    MZ_WEIGHTS = 4096,
    MZ_FEATURES = 32,               /* at most, with zeros that make it fit vectors */
    MZ_STACK_FEATURES = 48,         /* the same where there are earlier slices */
    MZ_MAX_EARLIER = 2,             /* earlier slices that a slice looks at */
    MZ_LEARNED = 384,               /* numbers that a unit has learned */
    MZ_QUANTILES = 1024,
    MZ_EDGE_LIMIT = 1 << 20         /* of uneven edges, in 2^-5 level */
};

/* Tables of the format, filled by mz_fill_tables. */
typedef struct {
    int32_t logistic[2 * MZ_LOGISTIC_HALF + 1]; /* 2^16 / (1 + exp(-i / 1024)) */
    int32_t inverse_scale[MZ_LOG_SCALES];       /* 2^8 logistic steps per 2^-5 level */
    int32_t weight[MZ_WEIGHTS];                 /* 2^12 exp(-i / 128) */
    int32_t sigma[MZ_SIGMAS];                   /* 2^-13 level */
    int32_t inverse_sigma[MZ_SIGMAS];           /* 2^20 / sigma in 2^-5 level */
    int64_t variance[256];                      /* of a component by its log scale, in 2^-10 level^2 */
    int32_t logarithm[1024];                    /* 256 ln((1024 + i) / 1024) */
    int32_t logarithm_of_two[64];               /* 256 ln(2^i) */
    int32_t reciprocal[1024];                   /* 2^31 / (2^15 + 32 i + 16) */
    int32_t bits[1025];                         /* 2^16 log2((1024 + i) / 1024) */
    int32_t coarse[MZ_COARSE];                  /* every 64th entry of logistic, near each other in caches */
    int32_t quantile[MZ_QUANTILES];             /* steps of the logistic table from its middle; where searches begin */
} mz_tables;

MZ_API void mz_fill_tables(mz_tables *tables);
MZ_API size_t mz_tables_size(void);

/* Numeric scale of samples: 0..count-1, 2^log2_steps of their steps are a level. */
typedef struct {
    int32_t count;      /* 1..65536 */
    int32_t log2_steps; /* -4..8 */
    /* The next two are for plain samples: count 256, log2_steps 0. */
    const int32_t *edges;     /* (257) rising lower edges of values in 2^-5 level, of which 0 and 256 are not read;
                                 NULL for even ones */
    const uint8_t *forbidden; /* (2^24 / 8) bits: colours green << 16 | red << 8 | blue that are rare; or NULL */
    int32_t log2_penalty;     /* of rare colours, 0..31 */
} mz_scale;

/* A tile while it is coded: planes of values and residuals with a border of MZ_BORDER cells, see docs/format.md. */
typedef struct {
    int32_t images, colours, height, width; /* colours 1..3; sides up to 2^15; fewer than 2^30 cells with borders */
    int32_t *values;   /* (images, colours, 4, height + 4, width + 4), -1 where unknown */
    int8_t *residuals; /* the same shape, 0 where unknown */
    /* The same place of earlier slices of a stack, for tiles of one image and colour. */
    int32_t earlier;                  /* how many: 0..MZ_MAX_EARLIER */
    const int32_t *earlier_values;    /* (earlier, 4, height + 4, width + 4), -1 where unknown */
    const int8_t *earlier_residuals;  /* the same shape */
} mz_tile;

/* What the network says of one phase and colour of a tile: n = images * height * width subpixels, row by row. */
typedef struct {
    int32_t phase, colour;  /* 1..3; 0..colours-1 */
    int32_t height, width;  /* of the cells that have the phase */
    int32_t components;     /* K */
    const uint8_t *shapes;  /* (2 K, n): logits, log scales */
    const int32_t *means;   /* (K + colour, n): means in 2^-5 level without base; couplings to the colours before */
    const int32_t *base;    /* (n): base predictions, in 2^-5 level */
    const int32_t *offsets; /* (colour, n): positions of the colours before, relative to their base predictions */
    int32_t *learned;       /* (MZ_LEARNED): with what the unit begins, and what it has learned in the end; NULL: zeros */
} mz_unit;

/* Symbols as an encoder collects them. */
typedef struct { uint32_t low, width; } mz_symbol;

/* Parameters of JPEG-LS without loss, and the shape of its samples. */
typedef struct {
    int32_t height, width, components; /* components 1..4 */
    int32_t has_whole_pixels;          /* components of a pixel follow each other; else those of a row */
    int32_t largest, reset;            /* MAXVAL, 1..65535; RESET, 3..65535 */
    int32_t thresholds[3];             /* T1 to T3, 1..largest, not falling */
} mz_jpeg_ls;

/* The whole bytes of coded data.  samples: (height, width, components). */
MZ_API int mz_encode_jpeg_ls(const mz_jpeg_ls *, const uint16_t *samples, uint8_t *coded, int64_t capacity, int64_t *used);

/* A rANS decoder. */
typedef struct {
    uint64_t state;
    const uint32_t *words;
    int64_t left;
} mz_decoder;

MZ_API int mz_decoder_start(mz_decoder *decoder, const uint32_t *words, int64_t count);
/* 1 if nothing is left. */
MZ_API int mz_decoder_is_empty(const mz_decoder *decoder);
/* Push symbols from last to first onto the words of a stack, *used at first.  There must be room for count + 2 more. */
MZ_API int mz_push(const mz_symbol *symbols, int64_t count, uint32_t *words, int64_t capacity, int64_t *used);

/* Code the subpixels of a unit.  Values are read from (encode, measure) or written to (decode) the tile's planes;
 * residuals are written always. */
MZ_API int mz_decode_unit(const mz_tables *, const mz_scale *, const mz_tile *, const mz_unit *, mz_decoder *);
MZ_API int mz_encode_unit(const mz_tables *, const mz_scale *, const mz_tile *, const mz_unit *, mz_symbol *symbols,
                          int64_t capacity, int64_t *used);
/* bits: (n) in 2^-16 bit, or NULL; total is added to. */
MZ_API int mz_measure_unit(const mz_tables *, const mz_scale *, const mz_tile *, const mz_unit *, uint32_t *bits,
                           uint64_t *total);
/* Add to the histograms of values near the means of their distributions, as they are seen, and as the distributions
 * expect them in 2^-16: (count) each.  For scales of 16 values or more. */
MZ_API int mz_count_unit(const mz_tables *, const mz_scale *, const mz_tile *, const mz_unit *, int64_t *seen,
                         int64_t *expected);
/* Add the bits of symbols to total, in 2^-16 bit. */
MZ_API int mz_measure(const mz_tables *, const mz_symbol *symbols, int64_t count, uint64_t *total);
/* Set the bits of colours that no JPEG decoder produces, and clear the others: (2^21) bytes, as mz_scale wants them. */
MZ_API void mz_fill_other_colours(uint8_t *bits);
/* Values that are equally likely, without any context. */
MZ_API int mz_decode_uniform(mz_decoder *, int32_t count, int64_t n, int32_t *values);
/* Binary decisions, given the probabilities of ones in 2^-16. */
MZ_API int mz_decode_bits(mz_decoder *, const uint16_t *p_one, int64_t n, int32_t *bits);
/* One of 2 to 256 categories each, given the probabilities below categories 1, 2, ... in 2^-20: (categories - 1, n). */
MZ_API int mz_decode_categories(mz_decoder *, const int32_t *cdf, int32_t categories, int64_t n, int32_t *symbols);

#endif
