/* The coded data of JPEG-LS without loss (ISO/IEC 14495-1): they follow from samples and parameters alone.
 *
 * Names are the standard's: a, b, c, d are the pixels on the left, above, above on the left, above on the right. */
#include "integers.h"
#include "mulanzip_native.h"

enum { CONTEXTS = 365, RUN_ORDERS = 32, MAX_COMPONENTS = 4 };

typedef struct { int32_t a, b, c, n; } context;

typedef struct {
    uint8_t *at, *end;
    uint64_t pending; /* bits that are no whole byte yet */
    int count, is_after_ones, is_full;
} writer;

typedef struct {
    const mz_jpeg_ls *p;
    writer out;
    int32_t range, bits, limit;
    context contexts[CONTEXTS], runs[2]; /* b of a run's context: how many errors were negative */
    int32_t order[MAX_COMPONENTS];       /* of runs, by component; by pixel where pixels are coded whole */
} coder;

/* What is known of a component around a pixel. */
typedef struct { int32_t a, b, c, d, context, sign; } surroundings;

static const uint8_t run_bits[RUN_ORDERS] = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,  2,  3,  3,  3,  3,
                                             4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/* Up to 32 bits.  A byte of ones is followed by one of seven bits. */
static void put(writer *w, uint32_t value, int bits) {
    w->pending = w->pending << bits | value;
    w->count += bits;
    for (int size = 8 - w->is_after_ones; w->count >= size; size = 8 - w->is_after_ones) {
        if (w->at == w->end) {
            w->is_full = 1;
            w->count = 0;
            return;
        }
        w->count -= size;
        *w->at = (uint8_t)(w->pending >> w->count & ((1u << size) - 1));
        w->is_after_ones = *w->at++ == 255;
    }
}

static void put_zeros(writer *w, int32_t count) {
    for (; count > 32; count -= 32) put(w, 0, 32);
    put(w, 0, count);
}

/* A number in Golomb's code of order k; the code has at most limit bits. */
static void put_golomb(coder *s, uint32_t value, int k, int32_t limit) {
    const int32_t most = limit - s->bits - 1;
    const uint32_t high = value >> k;
    if (high < (uint32_t)most) {
        put_zeros(&s->out, (int32_t)high);
        put(&s->out, 1, 1);
        put(&s->out, value & ((1u << k) - 1), k);
    } else {
        put_zeros(&s->out, most);
        put(&s->out, 1, 1);
        put(&s->out, (value - 1) & (uint32_t)(((uint64_t)1 << s->bits) - 1), s->bits);
    }
}

static int order_of(int32_t a, int32_t n) {
    int k = 0;
    while (k < 24 && (int64_t)n << k < a) k++;
    return k;
}

/* The class of a gradient, -4..4. */
static int32_t class_of(const mz_jpeg_ls *p, int32_t gradient) {
    const int32_t size = gradient < 0 ? -gradient : gradient;
    const int32_t found = size == 0 ? 0 : size < p->thresholds[0] ? 1 : size < p->thresholds[1] ? 2 : size < p->thresholds[2] ? 3 : 4;
    return gradient < 0 ? -found : found;
}

/* An error of prediction, in the range -range / 2 .. (range - 1) / 2. */
static int32_t reduced(const coder *s, int32_t error) {
    if (error < 0) error += s->range;
    return error >= (s->range + 1) / 2 ? error - s->range : error;
}

static void put_sample(coder *s, const surroundings *x, int32_t value) {
    context *q = &s->contexts[x->context];
    const int32_t low = x->a < x->b ? x->a : x->b, high = x->a < x->b ? x->b : x->a;
    int32_t predicted = x->c >= high ? low : x->c <= low ? high : x->a + x->b - x->c;
    predicted = (int32_t)mz_clip(predicted + x->sign * q->c, 0, s->p->largest);
    const int32_t error = reduced(s, x->sign * (value - predicted)), size = error < 0 ? -error : error;
    const int k = order_of(q->a, q->n), is_turned = k == 0 && 2 * q->b <= -q->n;
    const uint32_t mapped = error >= 0 ? 2 * (uint32_t)size + (uint32_t)is_turned : 2 * (uint32_t)size - 1 - (uint32_t)is_turned;
    put_golomb(s, mapped, k, s->limit);
    q->b += error;
    q->a += size;
    if (q->n == s->p->reset) {
        q->a >>= 1;
        q->b >>= 1;
        q->n >>= 1;
    }
    q->n++;
    if (q->b <= -q->n) {
        q->b = q->b + q->n <= -q->n ? 1 - q->n : q->b + q->n;
        if (q->c > -128) q->c--;
    } else if (q->b > 0) {
        q->b = q->b - q->n > 0 ? 0 : q->b - q->n;
        if (q->c < 127) q->c++;
    }
}

/* A sample that ends a run; type 1 where the pixels on the left and above are alike. */
static void put_end_of_run(coder *s, const surroundings *x, int type, int32_t order, int32_t value) {
    context *q = &s->runs[type];
    int32_t error = type ? value - x->a : value - x->b;
    if (!type && x->a > x->b) error = -error;
    error = reduced(s, error);
    const int32_t size = error < 0 ? -error : error;
    const int k = order_of(type ? q->a + (q->n >> 1) : q->a, q->n);
    const int is_turned = (k == 0 && error > 0 && 2 * q->b < q->n) || (error < 0 && (k != 0 || 2 * q->b >= q->n));
    const int32_t mapped = 2 * size - type - is_turned;
    put_golomb(s, (uint32_t)mapped, k, s->limit - run_bits[order] - 1);
    if (error < 0) q->b++;
    q->a += (mapped + 1 - type) >> 1;
    if (q->n == s->p->reset) {
        q->a >>= 1;
        q->n >>= 1;
        q->b >>= 1;
    }
    q->n++;
}

static surroundings around(const coder *s, const uint16_t *row, int32_t y, int32_t x) {
    const int64_t step = s->p->components, line = step * s->p->width;
    const uint16_t *at = row + step * x, *above = at - line;
    surroundings n = {0};
    if (y > 0) {
        n.b = above[0];
        n.d = x + 1 < s->p->width ? above[step] : n.b;
        n.c = x > 0 ? above[-step] : y > 1 ? above[-line] : 0;
    }
    n.a = x > 0 ? at[-step] : n.b;
    const int32_t context = 81 * class_of(s->p, n.d - n.b) + 9 * class_of(s->p, n.b - n.c) + class_of(s->p, n.c - n.a);
    n.sign = context < 0 ? -1 : 1;
    n.context = n.sign * context;
    return n;
}

/* A row: these components of each pixel, the first one and those that are coded together with it. */
static void put_row(coder *s, const uint16_t *samples, int32_t y, int32_t first, int32_t together) {
    const int64_t step = s->p->components;
    const uint16_t *row = samples + (int64_t)y * s->p->width * step + first;
    int32_t *order = &s->order[first];
    surroundings n[MAX_COMPONENTS];
    for (int32_t x = 0; x < s->p->width; x++) {
        int is_flat = 1;
        for (int i = 0; i < together; i++) {
            n[i] = around(s, row + i, y, x);
            is_flat &= n[i].context == 0;
        }
        if (!is_flat) {
            for (int i = 0; i < together; i++) put_sample(s, &n[i], row[step * x + i]);
            continue;
        }
        int32_t run = 0;
        for (int is_same = 1; x < s->p->width; x++, run++) {
            for (int i = 0; i < together; i++) is_same &= row[step * x + i] == n[i].a;
            if (!is_same) break;
        }
        for (; run >= 1 << run_bits[*order]; *order += *order < RUN_ORDERS - 1) {
            run -= 1 << run_bits[*order];
            put(&s->out, 1, 1);
        }
        if (x == s->p->width) {
            if (run > 0) put(&s->out, 1, 1);
            return;
        }
        put(&s->out, (uint32_t)run, 1 + run_bits[*order]); /* A zero, and the rest of the run. */
        for (int i = 0; i < together; i++) {
            const surroundings end = around(s, row + i, y, x);
            put_end_of_run(s, &end, together == 1 && end.a == end.b, *order, row[step * x + i]);
        }
        *order -= *order > 0;
    }
}

static int check(const mz_jpeg_ls *p, const uint16_t *samples) {
    if (p->height < 0 || p->width < 0 || p->height > 65535 || p->width > 65535) return MZ_ERROR_ARGUMENT;
    if (p->components < 1 || p->components > MAX_COMPONENTS) return MZ_ERROR_ARGUMENT;
    if (p->largest < 1 || p->largest > 65535 || p->reset < 3 || p->reset > 65535) return MZ_ERROR_ARGUMENT;
    for (int i = 0; i < 3; i++)
        if (p->thresholds[i] < (i ? p->thresholds[i - 1] : 1) || p->thresholds[i] > p->largest) return MZ_ERROR_ARGUMENT;
    for (int64_t i = 0; i < (int64_t)p->height * p->width * p->components; i++)
        if (samples[i] > p->largest) return MZ_ERROR_ARGUMENT;
    return MZ_OK;
}

int mz_encode_jpeg_ls(const mz_jpeg_ls *p, const uint16_t *samples, uint8_t *coded, int64_t capacity, int64_t *used) {
    if (check(p, samples)) return MZ_ERROR_ARGUMENT;
    coder s = {.p = p, .out = {.at = coded, .end = coded + capacity}, .range = p->largest + 1};
    s.bits = mz_bit_length((uint64_t)p->largest);
    const int32_t least = s.bits > 2 ? s.bits : 2;
    s.limit = 2 * (least + (least > 8 ? least : 8));
    const int32_t start = (s.range + 32) / 64;
    for (int i = 0; i < CONTEXTS; i++) s.contexts[i] = (context){start > 2 ? start : 2, 0, 0, 1};
    for (int i = 0; i < 2; i++) s.runs[i] = (context){start > 2 ? start : 2, 0, 0, 1};
    const int32_t together = p->has_whole_pixels ? p->components : 1;
    for (int32_t y = 0; y < p->height && !s.out.is_full; y++)
        for (int32_t first = 0; first < p->components; first += together) put_row(&s, samples, y, first, together);
    *used = s.out.at - coded;
    return s.out.is_full ? MZ_ERROR_SPACE : MZ_OK;
}
