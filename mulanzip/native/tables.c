/* The tables of the format, by a rule in integers: docs/format.md, "Tables". */
#include "integers.h"
#include "mulanzip_native.h"

/* floor(2^64 exp(-1 / n)): x_0 = 2^64 - 1, x_(i+1) = floor(x_i R / 2^64) is 2^64 exp(-i / n). */
static const uint64_t DECAY_16 = 0xf07d5fde38151e72u, DECAY_128 = 0xfe01feab551127cbu;
static const uint64_t DECAY_256 = 0xff007fd55ffdde38u, DECAY_1024 = 0xffc007ff555fff77u;

/* Largest entries, times 2^20. */
static const uint64_t LARGEST_INVERSE_SCALE = 866356737158u; /* 2^11 e^6 */
static const uint64_t LARGEST_SIGMA = 3737328809649u;        /* 2^16 e^(2047/256 - 4) */
static const uint64_t LARGEST_INVERSE_SIGMA = 234497268814u; /* 2^12 e^4 */
static const uint64_t LARGEST_VARIANCE = 158274442827096u;  /* pi^2 / 3 2^14 e^(127/16) */
static const uint64_t LARGEST_WEIGHT = (uint64_t)4096 << 20;
/* 2^40 256 ln 2 */
static const uint64_t LOGARITHM_OF_TWO = 195103586505167u;

/* round(2^-84 largest x): an entry of a table. */
static int64_t entry(uint64_t largest, uint64_t x) {
    return (int64_t)((mz_multiply_high(largest, x) + (1u << 19)) >> 20);
}

static void fill_exponentials(mz_tables *t) {
    uint64_t x = UINT64_MAX;
    for (int i = 0; i < MZ_LOG_SCALES; i++, x = mz_multiply_high(x, DECAY_256)) {
        int64_t scale = entry(LARGEST_INVERSE_SCALE, x);
        t->inverse_scale[i] = (int32_t)(scale < 1 ? 1 : scale);
        if (i < MZ_SIGMAS) {
            t->sigma[MZ_SIGMAS - 1 - i] = (int32_t)entry(LARGEST_SIGMA, x);
            t->inverse_sigma[i] = (int32_t)entry(LARGEST_INVERSE_SIGMA, x);
        }
    }
    x = UINT64_MAX;
    for (int i = 0; i < MZ_WEIGHTS; i++, x = mz_multiply_high(x, DECAY_128))
        t->weight[i] = (int32_t)entry(LARGEST_WEIGHT, x);
    x = UINT64_MAX;
    for (int i = 0; i < 256; i++, x = mz_multiply_high(x, DECAY_16))
        t->variance[255 - i] = entry(LARGEST_VARIANCE, x);
}

static void fill_logistic(mz_tables *t) {
    uint64_t x = UINT64_MAX;
    for (int i = 0; i <= MZ_LOGISTIC_HALF; i++, x = mz_multiply_high(x, DECAY_1024)) {
        uint64_t e = x >> 32, d = e + ((uint64_t)1 << 32);
        int32_t below = (int32_t)(((e << 17) + d) / (2 * d));
        t->logistic[MZ_LOGISTIC_HALF - i] = below;
        t->logistic[MZ_LOGISTIC_HALF + i] = 65536 - below;
    }
    for (int i = 0; i < MZ_COARSE; i++) t->coarse[i] = t->logistic[i << MZ_STRIDE_BITS];
    int32_t place = 0;
    for (int i = 0; i < MZ_QUANTILES; i++) {
        while (t->logistic[place] < 64 * i + 32) place++;
        t->quantile[i] = place - MZ_LOGISTIC_HALF;
    }
}

static void fill_logarithms(mz_tables *t) {
    uint64_t x = mz_multiply_high(UINT64_MAX, DECAY_256);
    int32_t j = 0;
    for (uint32_t i = 0; i < 1024; i++) {
        while ((x >> 11) * (1024 + i) >= (uint64_t)1 << 63) {
            x = mz_multiply_high(x, DECAY_256);
            j++;
        }
        t->logarithm[i] = j;
    }
    for (uint32_t i = 0; i < 64; i++)
        t->logarithm_of_two[i] = (int32_t)((i * LOGARITHM_OF_TWO + ((uint64_t)1 << 39)) >> 40);
    for (uint32_t i = 0; i < 1024; i++) {
        /* Squaring doubles the logarithm: its bits come one by one. */
        uint64_t m = (uint64_t)(1024 + i) << 20;
        int32_t bits = 0;
        for (int k = 0; k < 16; k++) {
            m = (m * m) >> 30;
            bits = 2 * bits + (m >> 31 != 0);
            if (m >> 31) m >>= 1;
        }
        t->bits[i] = bits;
    }
    t->bits[1024] = 1 << 16;
}

void mz_fill_tables(mz_tables *t) {
    fill_exponentials(t);
    fill_logistic(t);
    fill_logarithms(t);
    for (uint32_t i = 0; i < 1024; i++) {
        uint64_t d = 32768 + 32 * i + 16;
        t->reciprocal[i] = (int32_t)((((uint64_t)1 << 32) + d) / (2 * d));
    }
}

size_t mz_tables_size(void) { return sizeof(mz_tables); }
