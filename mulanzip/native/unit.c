/* The subpixels of one phase and colour of a tile, one after the other: docs/format.md, "Subpixels". */
#include <string.h>

#include "ans.h"
#include "learner.h"
#include "stack.h"

/* 0 to measure what learning brings: benchmarks/correction.py. */
#ifndef MZ_LEARNS
#define MZ_LEARNS 1
#endif

/* Where symbols come from, or go to. */
typedef struct {
    mz_decoder *decoder;
    mz_symbol *symbols;
    uint64_t *total;
    uint32_t *bits;
    int64_t *seen, *expected;
} mz_sink;

/* Cells that features look at, as distances in a plane; pixel features and residuals have places of their own. */
typedef struct {
    int residuals, pixels;
    int64_t reciprocal; /* 2^16 / residuals */
    ptrdiff_t residual[MZ_FEATURES], pixel[MZ_FEATURES];
} mz_neighbours;

enum { PHASE_A, PHASE_H, PHASE_V, PHASE_D };
enum { WINDOW = 16, BIAS = 8 };

static ptrdiff_t plane_size(const mz_tile *tile) {
    return (ptrdiff_t)(tile->height + 2 * MZ_BORDER) * (tile->width + 2 * MZ_BORDER);
}

static mz_neighbours neighbours_of(const mz_tile *tile, const mz_unit *unit) {
    static const int8_t same[6][2] = {{0, -1}, {-1, 0}, {-1, 1}, {-1, -1}, {0, -2}, {-2, 0}};
    static const int8_t around[MZ_PHASES][6][3] = {
        {{0}},
        {{PHASE_A, 0, 0}, {PHASE_A, 0, 1}},
        {{PHASE_A, 0, 0}, {PHASE_A, 1, 0}, {PHASE_H, 0, 0}, {PHASE_H, 0, -1}, {PHASE_H, 1, 0}, {PHASE_H, 1, -1}},
        {{PHASE_H, 0, 0}, {PHASE_H, 1, 0}, {PHASE_V, 0, 0}, {PHASE_V, 0, 1}},
    };
    static const int8_t counts[MZ_PHASES] = {0, 2, 6, 4};
    ptrdiff_t row = tile->width + 2 * MZ_BORDER, plane = plane_size(tile);
    mz_neighbours n = {0, 0, 0, {0}, {0}};
    for (int i = 0; i < 6; i++) n.residual[n.residuals++] = same[i][0] * row + same[i][1];
    for (int i = 0; i < counts[unit->phase]; i++) {
        const int8_t *at = around[unit->phase][i];
        ptrdiff_t distance = (at[0] - unit->phase) * plane + at[1] * row + at[2];
        n.pixel[n.pixels++] = distance;
        if (at[0] != PHASE_A) n.residual[n.residuals++] = distance;
    }
    for (int i = 0; i < 4; i++) n.pixel[n.pixels++] = same[i][0] * row + same[i][1];
    for (int c = 1; c <= unit->colour; c++) n.residual[n.residuals++] = -c * MZ_PHASES * plane;
    for (int i = 0; i < 3; i++) n.residual[n.residuals++] = (PHASE_A - unit->phase) * plane + (i == 2) * row + (i == 1);
    n.reciprocal = 65536 / n.residuals;
    return n;
}

/* The value that all known neighbours have; -1 where they differ, or it is none of the scale's. */
MZ_INLINE int32_t surround(const int32_t *at, const mz_neighbours *n, ptrdiff_t to_a, ptrdiff_t row, int32_t count) {
    const int32_t *a = at + to_a;
    int32_t value = a[0];
    if (value < 0 || value >= count) return -1;
    for (int j = 0; j < n->pixels; j++)
        if (at[n->pixel[j]] != value && at[n->pixel[j]] >= 0) return -1;
    for (int y = -1; y <= 1; y++)
        for (int x = -1; x <= 1; x++)
            if (a[y * row + x] != value && a[y * row + x] >= 0) return -1;
    return value;
}

/* How often values of constant surroundings differ from them. */
typedef struct { uint32_t same, other; } mz_constancy;

/* All that a unit has learned. */
typedef struct {
    mz_learner learner;
    mz_constancy constancy;
} mz_memory;
_Static_assert(sizeof(mz_memory) == 4 * MZ_LEARNED, "MZ_LEARNED is the size of what is learned");

MZ_INLINE uint32_t difference_width(const mz_constancy *c) {
    uint64_t width = ((uint64_t)(2 * c->other + 1) << MZ_SLOT_BITS) / (2 * ((uint64_t)c->same + c->other) + 2);
    return (uint32_t)mz_clip((int64_t)width, 1, ((int64_t)1 << MZ_SLOT_BITS) - 1);
}

MZ_INLINE uint32_t bits_of(const mz_tables *t, uint32_t width) {
    int n = mz_bit_length(width);
    uint64_t mantissa = (uint64_t)width << (25 - n); /* 2^24..2^25 */
    uint32_t index = (uint32_t)(mantissa >> 14) - 1024, part = (uint32_t)mantissa & 16383;
    uint32_t low = (uint32_t)t->bits[index], high = (uint32_t)t->bits[index + 1];
    return ((uint32_t)(MZ_SLOT_BITS + 1 - n) << 16) - low - (((high - low) * part) >> 14);
}

MZ_INLINE void put(const mz_tables *t, mz_sink *sink, uint32_t low, uint32_t width, int64_t i) {
    if (sink->symbols) {
        sink->symbols->low = low;
        sink->symbols->width = width;
        sink->symbols++;
    } else if (sink->total) {
        uint32_t bits = bits_of(t, width);
        *sink->total += bits;
        if (sink->bits) sink->bits[i] += bits;
    }
}

/* Whether the value is another one than its surroundings. */
MZ_INLINE int code_difference(const mz_tables *t, int decodes, mz_sink *sink, mz_constancy *c, int differs, int64_t i) {
    uint32_t width = difference_width(c), same = (1u << MZ_SLOT_BITS) - width;
    if (decodes) {
        uint32_t slot = mz_slot(sink->decoder);
        differs = slot >= same;
        mz_take(sink->decoder, slot, differs ? same : 0, differs ? width : same);
    } else {
        put(t, sink, differs ? same : 0, differs ? width : same, i);
    }
    *(differs ? &c->other : &c->same) += 1;
    return differs;
}

/* Rare colours: masses inside a window around the mean, halved where a value stands for one. */
typedef struct {
    int32_t low;
    int64_t before, removed, inside[WINDOW + 1];
} mz_window;

static void open_window(const mz_tables *t, const mz_scale *s, const mz_positions *p, mz_mixture *m, int64_t centre,
                        uint32_t colour, mz_window *w) {
    mz_edge_masses edge;
    w->low = (int32_t)mz_clip(centre - WINDOW / 2, 0, p->count - WINDOW);
    mz_evaluate(t, p, m, w->low, &edge);
    int64_t below = w->before = edge.mass;
    w->inside[0] = 0;
    for (int j = 0; j < WINDOW; j++) {
        uint32_t index = colour + (uint32_t)(w->low + j);
        mz_evaluate(t, p, m, w->low + j + 1, &edge);
        int rare = s->forbidden[index >> 3] >> (index & 7) & 1;
        w->inside[j + 1] = w->inside[j] + ((edge.mass - below) >> (rare ? s->log2_penalty : 0));
        below = edge.mass;
    }
    w->removed = below - w->before - w->inside[WINDOW];
}

/* The mixture at an edge; of its mass, that of rare colours is removed. */
MZ_INLINE void evaluate(const mz_tables *t, const mz_positions *p, const mz_mixture *m, const mz_window *w, int64_t value,
                        mz_edge_masses *e) {
    mz_evaluate(t, p, m, value, e);
    if (w && value > w->low)
        e->mass = value <= w->low + WINDOW ? w->before + w->inside[value - w->low] : e->mass - w->removed;
}

/* Slots of values: value v begins at v + below(v) (2^24 - count) / total.  So each has one slot at least. */
typedef struct {
    const mz_tables *t;
    const mz_positions *p;
    const mz_mixture *m;
    const mz_window *w;
    int64_t total, free;
} mz_slots;

/* Whether a value begins after a slot. */
MZ_INLINE int begins_after(const mz_slots *s, int64_t value, int64_t mass, int64_t slot) {
    return slot < value || mass * s->free >= (slot - value + 1) * s->total;
}

/* How many values after this one the slot is, by the mixture's tangent there. */
MZ_INLINE int64_t tangent(const mz_slots *s, const mz_edge_masses *e, int64_t value, uint32_t slot) {
    const int64_t one = (int64_t)1 << MZ_CDF_BITS;
    int64_t density = 0; /* 2^(7 + down - up) of mass a value */
    for (int k = 0; k < s->m->components; k++)
        density += ((s->m->weight[k] * ((e->below[k] * (one - e->below[k])) >> MZ_CDF_BITS)) >> 12) * s->m->inverse[k];
    /* Values have a mass beside the mixture's, and a slot each: so it is not 0. */
    density = (density * ((int64_t)1 << s->p->up)) >> (7 + s->p->down);
    density += (s->p->value_floor >> 12) + (s->total >> MZ_SLOT_BITS);
    int64_t mass = ((slot - value) * s->total) >> MZ_SLOT_BITS;
    mass += (mass * s->p->count) >> MZ_SLOT_BITS; /* Nearly a division by what is free. */
    int n = mz_bit_length((uint64_t)density);
    int64_t mantissa = n >= 16 ? density >> (n - 16) : density << (16 - n);
    return ((mass - e->mass) * s->t->reciprocal[(mantissa - 32768) >> 5] + ((int64_t)1 << (n + 14))) >> (n + 15);
}

/* The value whose slots hold this one, and its edges.  Any start and step lead to it.  Where few values are in reach,
 * steps double until there is an edge on each side; else the mixture's tangents lead from edge to edge.  What is between
 * two edges is halved at last. */
MZ_INLINE int64_t search(const mz_slots *s, int64_t start, int64_t step, uint32_t slot, mz_edge_masses *below,
                         mz_edge_masses *above) {
    int64_t low = 0, high = s->p->count, value = mz_clip(start, 1, high - 1);
    int tangents = step >= 2 ? 8 : 0, sides = 0;
    mz_edge_masses edge;
    while (high - low > 1) {
        evaluate(s->t, s->p, s->m, s->w, value, &edge);
        int64_t next = value;
        if (begins_after(s, value, edge.mass, slot)) {
            high = value;
            *above = edge;
            sides |= 1;
            next -= step;
        } else {
            low = value;
            *below = edge;
            sides |= 2;
            next += step;
        }
        if (high - low < 2) break;
        step *= 2;
        if (tangents-- > 0)
            next = value + mz_clip(tangent(s, &edge, value, slot), -2 * step, 2 * step);
        else if (sides == 3)
            next = (low + high) >> 1;
        value = mz_clip(next, low + 1, high - 1);
    }
    if (low == 0) mz_evaluate_end(s->p, s->m, low, below);
    if (high == s->p->count) mz_evaluate_end(s->p, s->m, high, above);
    return low;
}

/* Where a slot would be if the mixture were a logistic distribution of this deviation, in 2^-13 level: 565 / 1024 is
 * sqrt(3) / pi. */
MZ_INLINE int64_t guess(const mz_tables *t, const mz_outlook *o, int32_t sigma, uint32_t slot) {
    int64_t far = t->quantile[slot >> 14] * (int64_t)565 * t->sigma[sigma];
    return o->mean * 256 + o->shift + (far >> 20);
}

/* Code a value.  The edges are its own afterwards. */
MZ_INLINE int64_t code_value(const mz_slots *s, const mz_outlook *o, const mz_learner *l, int decodes, mz_sink *sink,
                             int64_t value, int64_t i, mz_edge_masses *below, mz_edge_masses *above) {
    uint32_t slot = 0;
    if (decodes) {
        slot = mz_slot(sink->decoder);
        /* The edge above is the nearest as often as not. */
        const int bits = 13 + s->p->up - s->p->down;
        const int32_t sigma = (int32_t)mz_clip(o->sigma - (l->log_scale[o->energy] >> 8), 0, MZ_SIGMAS - 1);
        int64_t start = (guess(s->t, o, sigma, slot) >> bits) + 1, step = s->t->sigma[sigma] >> (bits + 2);
        value = search(s, start, step > 0 ? step : 1, slot, below, above);
    } else {
        evaluate(s->t, s->p, s->m, s->w, value, below);
        evaluate(s->t, s->p, s->m, s->w, value + 1, above);
    }
    int64_t top = value + 1 < s->p->count ? above->mass : s->total;
    uint32_t low = (uint32_t)(value + below->mass * s->free / s->total);
    uint32_t high = (uint32_t)(value + 1 + top * s->free / s->total);
    if (decodes)
        mz_take(sink->decoder, slot, low, high - low);
    else
        put(s->t, sink, low, high - low, i);
    return value;
}

/* Count the value, and what the mixture expects, in a window around the mean. */
static void count_values(const mz_tables *t, const mz_positions *p, const mz_mixture *m, int64_t centre, int64_t value,
                         mz_sink *sink) {
    mz_edge_masses edge;
    int64_t low = mz_clip(centre - WINDOW / 2, 0, p->count - WINDOW);
    mz_evaluate(t, p, m, low, &edge);
    for (int64_t v = low, below = edge.mass; v < low + WINDOW; v++, below = edge.mass) {
        mz_evaluate(t, p, m, v + 1, &edge);
        sink->expected[v] += ((edge.mass - below) << 16) / m->total;
    }
    if (value >= low && value < low + WINDOW) sink->seen[value]++;
}

MZ_INLINE void read_prediction(const mz_unit *unit, int64_t n, int64_t i, int components, mz_prediction *net) {
    int64_t coupled = 128, base = unit->base[i];
    for (int c = 0; c < unit->colour; c++)
        coupled += mz_clip(unit->means[(components + c) * n + i], -1024, 1024) * unit->offsets[c * n + i];
    for (int k = 0; k < components; k++) {
        net->logit[k] = unit->shapes[k * n + i];
        net->scale[k] = unit->shapes[(components + k) * n + i];
        net->mean[k] = mz_clip(unit->means[k * n + i] + base + (coupled >> 8), -MZ_MEAN_LIMIT, MZ_MEAN_LIMIT);
    }
}

MZ_INLINE void read_features(const mz_tables *t, const mz_positions *p, const mz_neighbours *n, const int32_t *values,
                             const int8_t *residuals, mz_outlook *o) {
    int64_t inverse = t->inverse_sigma[o->sigma], mean = o->mean * ((int64_t)1 << p->down);
    int32_t energy = 0, j = 0;
    for (; j < n->residuals; j++) {
        int32_t residual = residuals[n->residual[j]];
        o->features[j] = (int16_t)residual;
        energy += residual * residual;
    }
    for (int a = 0; a < n->pixels; a++, j++) {
        int32_t value = values[n->pixel[a]], known = value < 0 ? 0 : value;
        int64_t x = mz_clip(((mz_centre(p, known) - mean) * inverse) >> (17 + p->down), -16, 16);
        o->features[j] = value < 0 ? 0 : (int16_t)x;
    }
    o->features[j] = BIAS;
    int64_t mean_square = ((int64_t)energy * n->reciprocal) >> 16;
    o->energy = (int)mz_clip(mz_bit_length((uint64_t)mean_square) - 4, 0, MZ_ENERGIES - 1);
}

MZ_INLINE void code_unit(const mz_tables *t, const mz_scale *s, const mz_positions *p, const mz_tile *tile,
                         const mz_unit *unit, int decodes, int components, int earlier, mz_sink *sink) {
    const int count = earlier ? MZ_STACK_FEATURES : MZ_FEATURES;
    const mz_earlier before = earlier ? mz_earlier_of(tile, unit->phase) : (mz_earlier){0};
    const mz_neighbours neighbours = neighbours_of(tile, unit);
    const ptrdiff_t row = tile->width + 2 * MZ_BORDER, plane = plane_size(tile), colour_size = MZ_PHASES * plane;
    const int64_t n = (int64_t)tile->images * unit->height * unit->width;
    mz_memory memory = {{{0}, {{0}}, {0}, {0}, {{0}}, {{0}}}, {0, 0}};
    if (unit->learned) memcpy(&memory, unit->learned, sizeof memory);
    mz_learner learner = memory.learner;
    mz_constancy constancy = memory.constancy;
    mz_mixture mixture;
    mz_prediction net = {{0}, {0}, {0}};
    mz_outlook outlook = {0};
    mz_window window;
    mz_edge_masses below = {0}, above = {0};
    mixture.components = components;
    int64_t i = 0;
    for (int32_t b = 0; b < tile->images; b++)
        for (int32_t y = 0; y < unit->height; y++) {
            ptrdiff_t at = ((ptrdiff_t)b * tile->colours + unit->colour) * colour_size + unit->phase * plane +
                           (y + MZ_BORDER) * row + MZ_BORDER;
            for (int32_t x = 0; x < unit->width; x++, at++, i++) {
                int32_t *values = tile->values + at;
                int8_t *kept = tile->residuals + at;
                int32_t around = surround(values, &neighbours, -(ptrdiff_t)unit->phase * plane, row, p->count);
                if (around >= 0 && !code_difference(t, decodes, sink, &constancy, *values != around, i)) {
                    *values = around;
                    *kept = 0;
                    continue;
                }
                read_prediction(unit, n, i, components, &net);
                mz_look_out(t, components, &net, &outlook);
                read_features(t, p, &neighbours, values, kept, &outlook);
                if (earlier)
                    mz_add_earlier(t, p, &before, kept - tile->residuals, kept, neighbours.residual,
                                   neighbours.residuals, neighbours.pixels, &outlook);
                mz_predict_shift(t, &learner, &outlook, count);
                mz_correct(t, p, &learner, &net, &outlook, &mixture);
                int64_t centre = (outlook.mean * ((int64_t)1 << p->down) + ((outlook.shift * ((int64_t)1 << p->down)) >> 8)) >>
                                 (MZ_MEAN_BITS + p->up);
                int64_t start = mz_clip(centre, 0, p->count - 1);
                if (!decodes && sink->seen) count_values(t, p, &mixture, start, *values, sink);
                mz_window *used = NULL;
                if (unit->colour == 2 && s->forbidden) {
                    uint32_t green = values[-2 * colour_size] & 255, red = values[-colour_size] & 255;
                    open_window(t, s, p, &mixture, start, green << 16 | red << 8, &window);
                    used = &window;
                }
                const mz_slots slots = {t, p, &mixture, used, mixture.total - (used ? window.removed : 0),
                                        ((int64_t)1 << MZ_SLOT_BITS) - p->count};
                int64_t value = code_value(&slots, &outlook, &learner, decodes, sink, *values, i, &below, &above);
                *values = (int32_t)value;
                int64_t off = mz_centre(p, value) - outlook.mean * ((int64_t)1 << p->down);
                int64_t residual = (off * t->inverse_sigma[outlook.sigma] + ((int64_t)1 << (15 + p->down))) >> (16 + p->down);
                *kept = (int8_t)mz_clip(residual, -96, 96);
                if (MZ_LEARNS) mz_learn(t, p, &mixture, &outlook, &below, &above, &learner, count);
            }
        }
    if (unit->learned) {
        memory.learner = learner;
        memory.constancy = constancy;
        memcpy(unit->learned, &memory, sizeof memory);
    }
}

/* Loops for the common cases are compiled with their constants. */
static void code_any(const mz_tables *t, const mz_scale *s, const mz_tile *tile, const mz_unit *unit, mz_sink *sink) {
    static const mz_positions plain = {256, 0, 0, 1, 1 << 20, NULL};
    const mz_positions other = {s->count, s->log2_steps < 0 ? -s->log2_steps : 0, s->log2_steps > 0 ? s->log2_steps : 0,
                                s->count == 256 && s->log2_steps == 0, ((int64_t)1 << 28) / s->count, s->edges};
    const int components = other.is_plain && !s->edges ? unit->components : 0;
    if (tile->earlier)
        sink->decoder ? code_unit(t, s, &other, tile, unit, 1, unit->components, 1, sink)
                      : code_unit(t, s, &other, tile, unit, 0, unit->components, 1, sink);
    else if (components == 3)
        sink->decoder ? code_unit(t, s, &plain, tile, unit, 1, 3, 0, sink) : code_unit(t, s, &plain, tile, unit, 0, 3, 0, sink);
    else if (components == 4)
        sink->decoder ? code_unit(t, s, &plain, tile, unit, 1, 4, 0, sink) : code_unit(t, s, &plain, tile, unit, 0, 4, 0, sink);
    else if (sink->decoder)
        code_unit(t, s, &other, tile, unit, 1, unit->components, 0, sink);
    else
        code_unit(t, s, &other, tile, unit, 0, unit->components, 0, sink);
}

static int edges_rise(const int32_t *edges) {
    if (edges[1] < -MZ_EDGE_LIMIT || edges[255] > MZ_EDGE_LIMIT) return 0;
    for (int v = 2; v < 256; v++)
        if (edges[v] < edges[v - 1]) return 0;
    return 1;
}

static int check(const mz_scale *s, const mz_tile *tile, const mz_unit *u) {
    const int plain = s->count == 256 && s->log2_steps == 0;
    if (s->count < 1 || s->count > 65536 || s->log2_steps < -4 || s->log2_steps > 8) return MZ_ERROR_ARGUMENT;
    if ((s->edges || s->forbidden) && !plain) return MZ_ERROR_ARGUMENT;
    if (s->log2_penalty < 0 || s->log2_penalty > 31) return MZ_ERROR_ARGUMENT;
    if (s->edges && !edges_rise(s->edges)) return MZ_ERROR_ARGUMENT;
    if (tile->images < 0 || tile->colours < 1 || tile->colours > MZ_MAX_COLOURS) return MZ_ERROR_ARGUMENT;
    if (tile->height < 0 || tile->width < 0 || tile->height > 1 << 15 || tile->width > 1 << 15) return MZ_ERROR_ARGUMENT;
    /* Counts of cells fit 31 bits. */
    if (tile->images > (1 << 30) / plane_size(tile)) return MZ_ERROR_ARGUMENT;
    if (u->phase < 1 || u->phase >= MZ_PHASES || u->colour < 0 || u->colour >= tile->colours) return MZ_ERROR_ARGUMENT;
    if (u->height < 0 || u->height > tile->height || u->width < 0 || u->width > tile->width) return MZ_ERROR_ARGUMENT;
    if (tile->earlier < 0 || tile->earlier > MZ_MAX_EARLIER) return MZ_ERROR_ARGUMENT;
    if (tile->earlier && (tile->images != 1 || tile->colours != 1)) return MZ_ERROR_ARGUMENT;
    if (u->components < 1 || u->components > MZ_MAX_COMPONENTS) return MZ_ERROR_ARGUMENT;
    return MZ_OK;
}

static int has_values_in_range(const mz_scale *s, const mz_tile *tile, const mz_unit *u) {
    ptrdiff_t row = tile->width + 2 * MZ_BORDER, plane = plane_size(tile);
    for (int32_t b = 0; b < tile->images; b++)
        for (int32_t y = 0; y < u->height; y++) {
            const int32_t *at = tile->values + (((ptrdiff_t)b * tile->colours + u->colour) * MZ_PHASES + u->phase) * plane +
                                (y + MZ_BORDER) * row + MZ_BORDER;
            for (int32_t x = 0; x < u->width; x++)
                if (at[x] < 0 || at[x] >= s->count) return 0;
        }
    return 1;
}

int mz_decode_unit(const mz_tables *t, const mz_scale *s, const mz_tile *tile, const mz_unit *unit, mz_decoder *decoder) {
    mz_sink sink = {decoder, NULL, NULL, NULL, NULL, NULL};
    int error = check(s, tile, unit);
    if (!error) code_any(t, s, tile, unit, &sink);
    return error;
}

int mz_encode_unit(const mz_tables *t, const mz_scale *s, const mz_tile *tile, const mz_unit *unit, mz_symbol *symbols,
                   int64_t capacity, int64_t *used) {
    mz_sink sink = {NULL, symbols, NULL, NULL, NULL, NULL};
    if (check(s, tile, unit) || !has_values_in_range(s, tile, unit)) return MZ_ERROR_ARGUMENT;
    if (capacity < 2 * (int64_t)tile->images * unit->height * unit->width) return MZ_ERROR_SPACE;
    code_any(t, s, tile, unit, &sink);
    *used = sink.symbols - symbols;
    return MZ_OK;
}

int mz_measure_unit(const mz_tables *t, const mz_scale *s, const mz_tile *tile, const mz_unit *unit, uint32_t *bits,
                    uint64_t *total) {
    mz_sink sink = {NULL, NULL, total, bits, NULL, NULL};
    if (check(s, tile, unit) || !has_values_in_range(s, tile, unit)) return MZ_ERROR_ARGUMENT;
    code_any(t, s, tile, unit, &sink);
    return MZ_OK;
}

int mz_count_unit(const mz_tables *t, const mz_scale *s, const mz_tile *tile, const mz_unit *unit, int64_t *seen,
                  int64_t *expected) {
    mz_sink sink = {NULL, NULL, NULL, NULL, seen, expected};
    if (check(s, tile, unit) || s->count < WINDOW || !has_values_in_range(s, tile, unit)) return MZ_ERROR_ARGUMENT;
    code_any(t, s, tile, unit, &sink);
    return MZ_OK;
}

int mz_measure(const mz_tables *t, const mz_symbol *symbols, int64_t count, uint64_t *total) {
    for (int64_t i = 0; i < count; i++) {
        if (symbols[i].width == 0 || symbols[i].width > (uint32_t)1 << MZ_SLOT_BITS) return MZ_ERROR_ARGUMENT;
        *total += bits_of(t, symbols[i].width);
    }
    return MZ_OK;
}
