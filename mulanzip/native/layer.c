/* Packing layers, with proofs that their sums are exact, and running one. */
#include "layer.h"

static const uint32_t MARK = 0x6c7a6d31;
/* Sums stay below this. */
static const int64_t EXACT_LIMIT = (int64_t)1 << 24;
static const int32_t ACTIVATION_MAX = 255;

/* Steps that AVX2 adds up in 16 bits before it widens them. */
enum { MAX_SUM = 4 };

static int32_t round_up(int32_t x, int32_t multiple) { return (x + multiple - 1) / multiple * multiple; }

/* The kernel that a layer gets where another one was asked for: AMX wants the steps of a tap in one register. */
static int32_t kernel_of(const mz_layer_shape *s) {
    int suits_amx = s->side == 3 && s->channels[0] > 4 && s->channels[0] <= 64;
    return s->kernel == MZ_KERNEL_AMX && !suits_amx ? MZ_KERNEL_AVX512 : s->kernel;
}

/* Lanes that a kernel computes at once. */
static int32_t group_lanes(int32_t kernel, int32_t outputs) {
    int32_t vectors;
    switch (kernel) {
    case MZ_KERNEL_AVX512: /* Up to four vectors of 16, in groups of one size. */
        vectors = round_up(outputs, 16) / 16;
        return 16 * round_up(vectors, (vectors + 3) / 4) / ((vectors + 3) / 4);
    case MZ_KERNEL_AVX2: /* Up to four vectors of 8. */
        vectors = round_up(outputs, 8) / 8;
        return 8 * round_up(vectors, (vectors + 3) / 4) / ((vectors + 3) / 4);
    default: return 16;
    }
}

static int64_t weight_bytes(int32_t kernel) {
    return kernel == MZ_KERNEL_PORTABLE || kernel == MZ_KERNEL_SIMD128 ? 2 : 1;
}

/* Sizes and places of a packed layer; MZ_ERROR_ARGUMENT for sizes that are out of range. */
static int lay_out(const mz_layer_shape *s, mz_layer *l) {
    if (s->kernel < 0 || s->kernel >= MZ_KERNELS || (s->side != 1 && s->side != 3)) return MZ_ERROR_ARGUMENT;
    if (s->outputs < 1 || s->outputs > MZ_MAX_CHANNELS || s->channels[0] < 1 || s->channels[1] < 0 ||
        s->channels[0] > MZ_MAX_CHANNELS || s->channels[1] > MZ_MAX_CHANNELS || (s->side == 3 && s->channels[1]))
        return MZ_ERROR_ARGUMENT;
    memset(l, 0, sizeof *l);
    l->mark = MARK;
    l->kernel = kernel_of(s);
    l->side = s->side;
    l->outputs = s->outputs;
    for (int p = 0; p < 2; p++) {
        l->channels[p] = s->channels[p];
        l->part[p] = round_up(s->channels[p], 4) / 4;
    }
    l->steps = s->side * s->side * (l->part[0] + l->part[1]);
    l->lanes = group_lanes(l->kernel, s->outputs);
    l->groups = round_up(s->outputs, l->lanes) / l->lanes;
    int64_t at = mz_padded(sizeof *l), bytes = mz_padded(4 * (int64_t)l->lanes * l->groups);
    int64_t *const places[] = {&l->up, &l->down, &l->rest, &l->even, &l->room, &l->centre};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++, at += bytes) *places[i] = at;
    l->weights = at;
    l->sums = at += mz_padded(4 * weight_bytes(l->kernel) * l->steps * l->lanes * l->groups);
    l->size = at + (l->kernel == MZ_KERNEL_AVX2 ? mz_padded((int64_t)l->steps * l->groups) : 0);
    return MZ_OK;
}

int64_t mz_packed_size(const mz_layer_shape *shape) {
    mz_layer l;
    return lay_out(shape, &l) ? -1 : l.size;
}

int mz_is_layer(const mz_layer *layer) { return layer && mz_is_aligned(layer) && layer->mark == MARK; }

/* Step and place in it of an input of a tap: steps go tap by tap, and in each from the first part to the second. */
static int32_t step_of(const mz_layer *l, int32_t tap, int32_t input, int32_t *place) {
    int32_t second = input >= l->channels[0], channel = second ? input - l->channels[0] : input;
    *place = channel % 4;
    return tap * (l->part[0] + l->part[1]) + second * l->part[0] + channel / 4;
}

static void put_weight(mz_layer *l, int32_t output, int32_t step, int32_t place, int8_t weight) {
    int64_t group = output / l->lanes, lane = output % l->lanes, base = (group * l->steps + step) * l->lanes * 4;
    char *weights = (char *)l + l->weights;
    if (l->kernel == MZ_KERNEL_PORTABLE)
        ((int16_t *)weights)[base + place * l->lanes + lane] = weight;
    else if (l->kernel == MZ_KERNEL_SIMD128)
        ((int16_t *)weights)[base + ((place >> 1) * l->lanes + lane) * 2 + (place & 1)] = weight;
    else
        ((int8_t *)weights)[base + lane * 4 + place] = weight;
}

/* AVX2 multiplies bytes and adds neighbouring products in 16 bits, with saturation: each step gives two sums of two
 * products per lane.  Two products never saturate, because 2 * 255 * 64 < 2^15.  Can count steps from the first on be
 * added up in 16 bits, whatever the inputs are?  The extremes are 255 where weights are positive, and 255 where they
 * are negative; if these fit, all sums on the way fit as well. */
static int sums_fit(const mz_layer *l, int32_t group, int32_t first, int32_t count) {
    const int8_t *w = MZ_ARRAY(int8_t, l, weights) + ((int64_t)group * l->steps + first) * l->lanes * 4;
    for (int32_t half = 0; half < 2 * l->lanes; half++) {
        int32_t above = 0, below = 0;
        for (int32_t step = 0; step < count; step++)
            for (int32_t i = 0; i < 2; i++) {
                int32_t weight = w[(int64_t)step * l->lanes * 4 + 2 * half + i];
                *(weight > 0 ? &above : &below) += weight;
            }
        if (above * ACTIVATION_MAX > INT16_MAX || below * ACTIVATION_MAX < INT16_MIN) return 0;
    }
    return 1;
}

/* For every four steps of a run: how many can be added up in 16 bits, 4, 2 or 1. */
static void prove_sums(mz_layer *l) {
    uint8_t *sums = (uint8_t *)l + l->sums;
    int32_t runs = l->side == 3 ? 3 : 2;
    for (int32_t group = 0; group < l->groups; group++)
        for (int32_t run = 0, step = 0; run < runs; run++) {
            int32_t end = step + (l->side == 3 ? 3 * l->part[0] : l->part[run]);
            for (; step + MAX_SUM <= end; step += MAX_SUM)
                *sums++ = sums_fit(l, group, step, 4)                                       ? 4
                          : sums_fit(l, group, step, 2) && sums_fit(l, group, step + 2, 2) ? 2
                                                                                           : 1;
            step = end;
        }
}

int mz_pack_layer(const mz_layer_shape *shape, const int8_t *weights, const int8_t *shifts, mz_layer *packed,
                  int64_t size) {
    mz_layer l;
    if (lay_out(shape, &l) || !mz_is_aligned(packed) || !mz_has_kernel(shape->kernel)) return MZ_ERROR_ARGUMENT;
    if (size < l.size) return MZ_ERROR_SPACE;
    memset(packed, 0, (size_t)l.size);
    *packed = l;
    char *at = (char *)packed;
    int32_t *up = (int32_t *)(at + l.up), *down = (int32_t *)(at + l.down), *rest = (int32_t *)(at + l.rest);
    int32_t *even = (int32_t *)(at + l.even), *room = (int32_t *)(at + l.room), *centre = (int32_t *)(at + l.centre);
    int32_t taps = l.side * l.side, inputs = l.channels[0] + l.channels[1];
    for (int32_t o = 0; o < l.outputs; o++) {
        int32_t shift = shifts[o];
        int64_t above = 0, below = 0;
        if (shift < -MZ_SHIFT_MAX || shift > MZ_SHIFT_MAX) return MZ_ERROR_ARGUMENT;
        for (int32_t input = 0; input < inputs; input++)
            for (int32_t tap = 0; tap < taps; tap++) {
                int8_t weight = weights[((int64_t)o * inputs + input) * taps + tap];
                int32_t place, step = step_of(&l, tap, input, &place);
                if (weight < -MZ_WEIGHT_MAX || weight > MZ_WEIGHT_MAX) return MZ_ERROR_ARGUMENT;
                put_weight(packed, o, step, place, weight);
                *(weight > 0 ? &above : &below) += weight;
            }
        up[o] = shift < 0 ? -shift : 0;
        down[o] = shift > 0 ? shift : 0;
        rest[o] = (1 << down[o]) - 1;
        even[o] = shift > 0 ? -2 : -1;
        int64_t peak = (above > -below ? above : -below) * ACTIVATION_MAX;
        int64_t left = ((EXACT_LIMIT - 1) >> up[o]) - peak - ((int64_t)ACTIVATION_MAX << down[o]);
        if (left < 0) return MZ_ERROR_ARGUMENT;
        room[o] = (int32_t)left;
        centre[o] = (int32_t)(128 * (above + below));
    }
    if (l.kernel == MZ_KERNEL_AVX2) prove_sums(packed);
    return MZ_OK;
}

int mz_start_of(const mz_layer *layer, const int32_t *biases, int32_t *start) {
    const int32_t *room = MZ_ARRAY(int32_t, layer, room), *rest = MZ_ARRAY(int32_t, layer, rest);
    for (int32_t o = 0; o < layer->outputs; o++) {
        if (biases[o] > room[o] || biases[o] < -room[o]) return MZ_ERROR_ARGUMENT;
        start[o] = biases[o] + ((rest[o] + 1) >> 1);
    }
    for (ptrdiff_t o = layer->outputs; o < mz_lanes_of(layer); o++) start[o] = 0;
    return MZ_OK;
}

void mz_run_row(const mz_layer *layer, const int32_t *start, const mz_runs *runs, int32_t width,
                const mz_results *results) {
    switch (layer->kernel) {
#if MZ_HAS_SIMD128
    case MZ_KERNEL_SIMD128: mz_row_simd128(layer, start, runs, width, results); break;
#endif
#if MZ_X86
    case MZ_KERNEL_AVX2: mz_row_avx2(layer, start, runs, width, results); break;
    case MZ_KERNEL_AVX512: mz_row_avx512(layer, start, runs, width, results); break;
#endif
#if MZ_HAS_AMX
    case MZ_KERNEL_AMX: mz_row_amx(layer, start, runs, width, results); break;
#endif
#if MZ_HAS_NEON
    case MZ_KERNEL_NEON: mz_row_neon(layer, start, runs, width, results); break;
#endif
    default: mz_row_portable(layer, start, runs, width, results);
    }
}
