/* A mixture of logistics with integer parameters, and its cumulative masses. */
#ifndef MZ_MIXTURE_H
#define MZ_MIXTURE_H

#include "integers.h"
#include "mulanzip_native.h"

/* Of components: one is 2^22. */
#define MZ_CDF_BITS 22
#define MZ_FINE_BITS 12
#define MZ_MEAN_LIMIT ((int64_t)1 << 27)

/* The scale of samples as the loops want it.  Positions are in 2^-(5 + down) level. */
typedef struct {
    int32_t count;
    int up, down;        /* log2 of levels per step, of steps per level */
    int is_plain;        /* 256 values, one level each */
    int64_t value_floor; /* mass of each value beside the mixture's, 2^-28 of the total of weights 2^12 */
    const int32_t *edges;
} mz_positions;

/* Lower edge of a value, 1..count - 1: at most 2^25 where steps are no finer than levels, else 2^21. */
MZ_INLINE int64_t mz_edge(const mz_positions *p, int64_t value) {
    return p->edges ? p->edges[value] : value * ((int64_t)1 << (MZ_MEAN_BITS + p->up));
}

/* Position of a value of 32 bits, which need not be one of the scale's: at most 2^40. */
MZ_INLINE int64_t mz_centre(const mz_positions *p, int64_t value) {
    if (!p->edges || value <= 0 || value >= p->count - 1) return value * ((int64_t)1 << (MZ_MEAN_BITS + p->up));
    return ((p->edges[value] + p->edges[value + 1]) >> 1) - (1 << (MZ_MEAN_BITS - 1));
}

typedef struct {
    int components;
    int64_t weight[MZ_MAX_COMPONENTS];  /* 0..2^12, the largest 2^12 */
    int64_t inverse[MZ_MAX_COMPONENTS]; /* 2^8 logistic steps per 2^-5 level */
    int64_t offset[MZ_MAX_COMPONENTS];  /* of an edge at 0, in 2^-(8 + down) logistic steps */
    int64_t weights;                    /* their sum */
    int64_t total;                      /* mass of all values */
} mz_mixture;

/* A component at an edge, in 2^-(8 + down) logistic steps inside the table. */
MZ_INLINE int64_t mz_logistic_place(const mz_positions *p, const mz_mixture *m, int k, int64_t edge) {
    int64_t most = ((int64_t)(2 * MZ_LOGISTIC_HALF) << (8 + p->down)) - !p->is_plain;
    return mz_clip(edge * m->inverse[k] + m->offset[k], 0, most);
}

MZ_INLINE int64_t mz_component(const mz_tables *t, const mz_positions *p, int64_t place) {
    if (p->is_plain) return (int64_t)t->logistic[place >> 8] << (MZ_CDF_BITS - 16);
    int64_t index = place >> (8 + p->down + MZ_STRIDE_BITS);
    int64_t part = (place >> (8 + p->down + MZ_STRIDE_BITS - MZ_FINE_BITS)) & ((1 << MZ_FINE_BITS) - 1);
    int64_t low = t->coarse[index], high = t->coarse[index + 1];
    return ((low << MZ_FINE_BITS) + (high - low) * part) >> (16 + MZ_FINE_BITS - MZ_CDF_BITS);
}

/* A mixture at the lower edge of a value. */
typedef struct {
    int64_t mass;                        /* below the value: 0 for 0, the total for count, rising */
    int64_t place[MZ_MAX_COMPONENTS];    /* of the components; the middle at both ends of the scale */
    int64_t below[MZ_MAX_COMPONENTS];    /* of each component */
} mz_edge_masses;

/* At 0 or count. */
MZ_INLINE void mz_evaluate_end(const mz_positions *p, const mz_mixture *m, int64_t value, mz_edge_masses *e) {
    for (int k = 0; k < m->components; k++) {
        e->place[k] = (int64_t)MZ_LOGISTIC_HALF << (8 + p->down);
        e->below[k] = value <= 0 ? 0 : (int64_t)1 << MZ_CDF_BITS;
    }
    e->mass = value <= 0 ? 0 : m->total;
}

/* Between them. */
MZ_INLINE void mz_evaluate_inside(const mz_tables *t, const mz_positions *p, const mz_mixture *m, int64_t value,
                                  mz_edge_masses *e) {
    int64_t edge = mz_edge(p, value), sum = 0;
    for (int k = 0; k < m->components; k++) {
        e->place[k] = mz_logistic_place(p, m, k, edge);
        e->below[k] = mz_component(t, p, e->place[k]);
        sum += m->weight[k] * e->below[k];
    }
    e->mass = (sum >> (MZ_CDF_BITS - 16)) + ((value * p->value_floor) >> 12);
}

MZ_INLINE void mz_evaluate(const mz_tables *t, const mz_positions *p, const mz_mixture *m, int64_t value,
                           mz_edge_masses *e) {
    if (value <= 0 || value >= p->count)
        mz_evaluate_end(p, m, value, e);
    else
        mz_evaluate_inside(t, p, m, value, e);
}

#endif
