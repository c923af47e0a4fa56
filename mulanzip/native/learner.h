/* The correction that learns while it codes: docs/format.md, "Learning". */
#ifndef MZ_LEARNER_H
#define MZ_LEARNER_H

#include "mixture.h"

enum { MZ_ENERGIES = 8, MZ_SCALE_CLASSES = 8, MZ_SHIFT_CLASSES = 4 };

/* Zero at the start of every unit, but of those that go on where the same unit of an earlier slice ended. */
typedef struct {
    int32_t shared[MZ_STACK_FEATURES], own[MZ_SHIFT_CLASSES][MZ_STACK_FEATURES]; /* coefficients of the shift */
    int32_t log_scale[MZ_ENERGIES], seen[MZ_ENERGIES];
    int32_t scales[1 + MZ_SCALE_CLASSES][MZ_MAX_COMPONENTS], logits[1 + MZ_SCALE_CLASSES][MZ_MAX_COMPONENTS];
} mz_learner;

/* What is known of a subpixel before its mixture is corrected. */
typedef struct {
    int64_t mean;   /* of the network's mixture, 2^-5 level */
    int32_t sigma;  /* index of its standard deviation */
    int scale_class, shift_class, energy;
    int64_t shift;  /* 2^-13 level */
    int16_t features[MZ_STACK_FEATURES];
} mz_outlook;

/* What the network says of one subpixel. */
typedef struct {
    int32_t logit[MZ_MAX_COMPONENTS], scale[MZ_MAX_COMPONENTS];
    int64_t mean[MZ_MAX_COMPONENTS];
} mz_prediction;

MZ_INLINE int64_t mz_floor_divide(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* 256 ln(x) for x >= 1. */
MZ_INLINE int32_t mz_logarithm(const mz_tables *t, int64_t x) {
    int n = mz_bit_length((uint64_t)x);
    int64_t mantissa = n >= 11 ? x >> (n - 11) : x << (11 - n);
    return t->logarithm_of_two[n - 1] + t->logarithm[mantissa - 1024];
}

MZ_INLINE void mz_look_out(const mz_tables *t, int components, const mz_prediction *p, mz_outlook *o) {
    int32_t most = 0;
    int64_t weights = 0, sum = 0, spread = 0, w[MZ_MAX_COMPONENTS];
    for (int k = 0; k < components; k++) most = p->logit[k] > most ? p->logit[k] : most;
    for (int k = 0; k < components; k++) {
        w[k] = t->weight[(most - p->logit[k]) * 8];
        weights += w[k];
        sum += w[k] * p->mean[k];
    }
    o->mean = mz_floor_divide(sum, weights);
    for (int k = 0; k < components; k++) {
        int64_t d = mz_clip(p->mean[k] - o->mean, -(1 << 20), 1 << 20);
        spread += w[k] * (t->variance[p->scale[k]] + d * d);
    }
    o->sigma = (int32_t)mz_clip(((mz_logarithm(t, spread) - mz_logarithm(t, weights)) >> 1) - 396, 0, MZ_SIGMAS - 1);
    o->scale_class = (int)mz_clip((o->sigma + 40) / 177, 0, MZ_SCALE_CLASSES - 1);
    o->shift_class = (int)mz_clip(mz_floor_divide(o->sigma - 314, 177), 0, MZ_SHIFT_CLASSES - 1);
}

/* count: MZ_FEATURES or MZ_STACK_FEATURES; of 48 features 25 are at most 96, 16 at most 16, so sums fit 32 bits. */
MZ_INLINE void mz_predict_shift(const mz_tables *t, const mz_learner *l, mz_outlook *o, int count) {
    const int32_t *own = l->own[o->shift_class];
    const int16_t *x = o->features;
    int32_t sum = 0;
    for (int j = 0; j < count; j++) sum += (l->shared[j] + own[j]) * x[j];
    o->shift = (mz_clip(sum >> 10, -3072, 3072) * t->sigma[o->sigma]) >> 10;
}

MZ_INLINE void mz_correct(const mz_tables *t, const mz_positions *p, const mz_learner *l, const mz_prediction *net,
                          const mz_outlook *o, mz_mixture *m) {
    int64_t logit[MZ_MAX_COMPONENTS], most = INT64_MIN;
    int own = 1 + o->scale_class;
    for (int k = 0; k < m->components; k++) {
        logit[k] = 8 * net->logit[k] + ((l->logits[0][k] + l->logits[own][k]) >> 9);
        if (logit[k] > most) most = logit[k];
    }
    m->weights = 0;
    for (int k = 0; k < m->components; k++) {
        int64_t below = most - logit[k];
        m->weight[k] = t->weight[below < MZ_WEIGHTS ? below : MZ_WEIGHTS - 1];
        m->weights += m->weight[k];
        int64_t scale = 8 * net->scale[k] - ((l->log_scale[o->energy] + l->scales[0][k] + l->scales[own][k]) >> 8);
        m->inverse[k] = t->inverse_scale[mz_clip(scale - MZ_LOG_SCALE_MIN, 0, MZ_LOG_SCALES - 1)];
        int64_t mean = net->mean[k] * ((int64_t)1 << p->down) + ((int64_t)16 << p->up);
        m->offset[k] = ((int64_t)MZ_LOGISTIC_HALF << (8 + p->down)) - mean * m->inverse[k] -
                       ((o->shift * ((int64_t)1 << p->down) * m->inverse[k]) >> 8);
    }
    m->total = (m->weights << 16) + 65536;
}

/* w += x, clipped to +-limit. */
MZ_INLINE void mz_add(int32_t *restrict w, const int32_t *restrict x, int count, int32_t limit) {
    for (int k = 0; k < count; k++) {
        int32_t sum = w[k] + x[k];
        sum = sum < limit ? sum : limit;
        w[k] = sum > -limit ? sum : -limit;
    }
}

/* w += (f x + half) >> bits, clipped to +-2^18, for all features x; |f| < 2^12. */
MZ_INLINE void mz_move(int32_t *w, int16_t f, const int16_t *x, int bits, int count) {
    const int32_t half = 1 << (bits - 1), limit = 1 << 18;
    uint32_t outside = 0;
    for (int j = 0; j < count; j++) {
        w[j] += (f * x[j] + half) >> bits;
        outside |= (uint32_t)(w[j] + limit);
    }
    /* Rarely: one is at the limit, or beyond. */
    if (outside >> 19)
        for (int j = 0; j < count; j++) w[j] = (int32_t)mz_clip(w[j], -limit, limit);
}

/* Learn from a value, given its two edges: step 5 and 6. */
MZ_INLINE void mz_learn(const mz_tables *t, const mz_positions *p, const mz_mixture *m, const mz_outlook *o,
                        const mz_edge_masses *low, const mz_edge_masses *high, mz_learner *l, int count) {
    static const uint8_t rates[] = {3, 3, 3, 4, 5, 6, 7, 8, 9};
    const int64_t one = (int64_t)1 << MZ_CDF_BITS, middle = (int64_t)MZ_LOGISTIC_HALF << (8 + p->down);
    int64_t spread[MZ_MAX_COMPONENTS], share[MZ_MAX_COMPONENTS], slope = 0, mass = p->value_floor >> 6;
    for (int k = 0; k < m->components; k++) {
        int64_t w = m->weight[k], c0 = low->below[k], c1 = high->below[k];
        int64_t a0 = (low->place[k] - middle) >> (2 + p->down), a1 = (high->place[k] - middle) >> (2 + p->down);
        int64_t f0 = (c0 * (one - c0)) >> MZ_CDF_BITS, f1 = (c1 * (one - c1)) >> MZ_CDF_BITS;
        int64_t steepness = (m->inverse[k] * t->sigma[o->sigma]) >> 18;
        spread[k] = w * ((f1 * a1 - f0 * a0) >> 16);
        share[k] = w * (c1 - c0);
        mass += share[k];
        slope += (w * (f0 - f1) * (steepness < 65536 ? steepness : 65536)) >> 8;
    }
    int n = mz_bit_length((uint64_t)mass);
    int64_t mantissa = n >= 16 ? mass >> (n - 16) : mass << (16 - n);
    int64_t reciprocal = t->reciprocal[(mantissa - 32768) >> 5], per_weight = ((int64_t)1 << 44) / m->weights;
    int64_t all = 0;
    int32_t g[MZ_MAX_COMPONENTS], h[MZ_MAX_COMPONENTS];
    for (int k = 0; k < m->components; k++) {
        int64_t most = (spread[k] * reciprocal) >> (n - 1);
        all += most;
        g[k] = (int32_t)(mz_clip(most, -196608, 65536) + 128) >> 8;
        h[k] = (int32_t)((((share[k] * reciprocal) >> (n - 1)) - ((m->weight[k] * per_weight) >> 28) + 16) >> 5);
    }
    const int own = 1 + o->scale_class;
    mz_add(l->scales[0], g, m->components, 98304);
    mz_add(l->scales[own], g, m->components, 98304);
    mz_add(l->logits[0], h, m->components, 131072);
    mz_add(l->logits[own], h, m->components, 131072);
    int32_t seen = ++l->seen[o->energy];
    int length = mz_bit_length((uint64_t)seen), rate = rates[length < 8 ? length : 8];
    int64_t step = (mz_clip(all, -196608, 65536) + ((int64_t)1 << (rate - 1))) >> rate;
    l->log_scale[o->energy] = (int32_t)mz_clip(l->log_scale[o->energy] + step, -98304, 98304);
    int32_t gradient = (int32_t)mz_clip((slope * reciprocal) >> (n + 7), -1024, 1024);
    mz_move(l->shared, (int16_t)(3 * gradient), o->features, 8, count);
    mz_move(l->own[o->shift_class], (int16_t)gradient, o->features, 7, count);
}

#endif
