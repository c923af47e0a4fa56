/* Layers over maps: a single one, and a pass, which rows run through while they are in the cache. */
#include "rows.h"

/* One layer of a pass: its inputs, and what its sums start from. */
typedef struct {
    const mz_layer *layer;
    const int32_t *start;
    mz_ring inputs;
} mz_stage;

static int are_sides(int32_t images, int32_t height, int32_t width) {
    return images >= 0 && height >= 0 && width >= 0 && height <= MZ_MAX_SIDE && width <= MZ_MAX_SIDE;
}

static int64_t starts_bytes(const mz_layer *layer) { return mz_padded(4 * mz_lanes_of(layer)); }

int64_t mz_layer_workspace(const mz_layer *layer, int32_t width) {
    if (!mz_is_layer(layer) || layer->channels[1] || !are_sides(0, 0, width)) return -1;
    int64_t row = mz_row_bytes(width, mz_pixel_bytes(layer, 0));
    return starts_bytes(layer) + 4 * row;
}

/* The last step of outputs in a ring may have channels that no layer writes: they stay zero. */
static int64_t ring_bytes(const mz_layer *layer, int32_t width) {
    return 3 * mz_row_bytes(width, mz_pixel_bytes(layer, 0));
}

static void run_single(const mz_layer *layer, const int32_t *start, const uint8_t *inputs, int32_t height,
                       int32_t width, mz_results results, mz_ring *ring) {
    const ptrdiff_t channels = layer->channels[0];
    const ptrdiff_t outputs = (ptrdiff_t)width * layer->outputs;
    for (int32_t y = 0; y < height; y++) {
        if (layer->side == 3) {
            for (int32_t next = y ? y + 1 : 0; next <= y + 1 && next < height; next++)
                mz_spread(inputs + next * width * channels, layer->channels[0], width, mz_row_of(ring, next), ring->pixel);
            const mz_runs runs = mz_runs_around(ring, y, height);
            mz_run_row(layer, start, &runs, width, &results);
        } else {
            uint8_t *row = mz_row_of(ring, 0);
            mz_spread(inputs + y * width * channels, layer->channels[0], width, row, ring->pixel);
            const mz_runs runs = {1, {layer->part[0]}, {ring->pixel}, {row}};
            mz_run_row(layer, start, &runs, width, &results);
        }
        if (results.saturated) results.saturated += outputs;
        if (results.integers) results.integers += outputs;
        if (results.residual) results.residual += outputs;
    }
}

int mz_run_layer(const mz_layer *layer, const int32_t *biases, const uint8_t *inputs, int32_t images, int32_t height,
                 int32_t width, const uint8_t *residual, uint8_t *saturated, int32_t *integers, void *workspace,
                 int64_t size) {
    if (!are_sides(images, height, width) || !saturated == !integers || !mz_is_aligned(workspace))
        return MZ_ERROR_ARGUMENT;
    const int64_t needed = mz_layer_workspace(layer, width);
    if (needed < 0) return MZ_ERROR_ARGUMENT;
    if (size < needed) return MZ_ERROR_SPACE;
    int32_t *start = workspace;
    if (mz_start_of(layer, biases, start)) return MZ_ERROR_ARGUMENT;
    memset((uint8_t *)workspace + starts_bytes(layer), 0, (size_t)(needed - starts_bytes(layer)));
    mz_ring ring = {(uint8_t *)workspace + starts_bytes(layer), NULL, mz_pixel_bytes(layer, 0), 0};
    ring.row = mz_row_bytes(width, ring.pixel);
    ring.outside = ring.rows + 3 * ring.row;
    const ptrdiff_t in = (ptrdiff_t)height * width * layer->channels[0], out = (ptrdiff_t)height * width * layer->outputs;
    for (int32_t i = 0; i < images; i++) {
        const mz_results results = {saturated ? saturated + i * out : NULL, integers ? integers + i * out : NULL,
                                    layer->outputs, residual ? residual + i * out : NULL, layer->outputs};
        run_single(layer, start, inputs + i * in, height, width, results, &ring);
    }
    return MZ_OK;
}

static int is_pass(const mz_layer *const *layers, int32_t count) {
    if (count < 1 || count > 1023 || count % 2 == 0) return 0;
    for (int32_t i = 0; i < count; i++)
        if (!mz_is_layer(layers[i]) || layers[i]->side != 3 || layers[i]->outputs != layers[0]->outputs ||
            (i && layers[i]->channels[0] != layers[0]->outputs))
            return 0;
    return 1;
}

/* A workspace of a pass: stages, starts, a row of zeros, rings. */
static int64_t outside_bytes(const mz_layer *const *layers, int32_t count, int32_t width) {
    const ptrdiff_t stem = mz_pixel_bytes(layers[0], 0), body = mz_pixel_bytes(layers[count - 1], 0);
    return mz_row_bytes(width, stem > body ? stem : body);
}

int64_t mz_pass_workspace(const mz_layer *const *layers, int32_t count, int32_t width) {
    if (!is_pass(layers, count) || !are_sides(0, 0, width)) return -1;
    int64_t total = mz_padded(count * (int64_t)sizeof(mz_stage)) + outside_bytes(layers, count, width);
    for (int32_t i = 0; i < count; i++) total += starts_bytes(layers[i]) + ring_bytes(layers[i], width);
    return total;
}

static int lay_out_stages(const mz_layer *const *layers, const int32_t *biases, int32_t count, int32_t width,
                          char *workspace) {
    mz_stage *stages = (mz_stage *)workspace;
    char *at = workspace + mz_padded(count * (int64_t)sizeof *stages);
    const uint8_t *outside = (uint8_t *)at;
    at += outside_bytes(layers, count, width);
    for (int32_t i = 0; i < count; i++) {
        const ptrdiff_t pixel = mz_pixel_bytes(layers[i], 0);
        if (mz_start_of(layers[i], biases + (ptrdiff_t)i * layers[i]->outputs, (int32_t *)at)) return MZ_ERROR_ARGUMENT;
        stages[i].layer = layers[i];
        stages[i].start = (int32_t *)at;
        at += starts_bytes(layers[i]);
        stages[i].inputs = (mz_ring){(uint8_t *)at, outside, pixel, mz_row_bytes(width, pixel)};
        at += ring_bytes(layers[i], width);
    }
    return MZ_OK;
}

/* Row y of the outputs of a stage, which go to the next one's ring or to the features. */
static void run_stage(const mz_stage *stages, int32_t i, int32_t count, int32_t y, int32_t height, int32_t width,
                      const uint8_t *start, uint8_t *features) {
    const mz_stage *s = stages + i;
    const ptrdiff_t channels = s->layer->outputs, at = (ptrdiff_t)y * width * channels;
    const mz_runs runs = mz_runs_around(&s->inputs, y, height);
    mz_results results = {features + at, NULL, channels, NULL, channels};
    if (i + 1 < count) {
        results.saturated = mz_row_of(&s[1].inputs, y);
        results.stride = s[1].inputs.pixel;
    }
    if (i == 0 && start) {
        results.residual = start + at;
    } else if (i && i % 2 == 0) {
        results.residual = mz_row_of(&s[-1].inputs, y);
        results.residual_stride = s[-1].inputs.pixel;
    }
    mz_run_row(s->layer, s->start, &runs, width, &results);
}

int mz_run_pass(const mz_layer *const *layers, const int32_t *biases, int32_t count, const uint8_t *planes,
                int32_t images, int32_t height, int32_t width, int32_t top, int32_t bottom, const uint8_t *start,
                uint8_t *features, void *workspace, int64_t size) {
    if (!are_sides(images, height, width) || top < 0 || top > bottom || bottom > height || !mz_is_aligned(workspace))
        return MZ_ERROR_ARGUMENT;
    const int64_t needed = mz_pass_workspace(layers, count, width);
    if (needed < 0) return MZ_ERROR_ARGUMENT;
    if (size < needed) return MZ_ERROR_SPACE;
    memset(workspace, 0, (size_t)needed);
    if (lay_out_stages(layers, biases, count, width, workspace)) return MZ_ERROR_ARGUMENT;
    const mz_stage *stages = workspace;
    const int32_t inputs = layers[0]->channels[0];
    const ptrdiff_t map = (ptrdiff_t)height * width;
    for (int32_t image = 0; image < images; image++) {
        const uint8_t *from = planes + image * map * inputs;
        /* Stage i is i + 1 rows behind the planes, and computes what the stages after it need. */
        for (int32_t t = top - count; t <= bottom + count; t++) {
            if (t >= 0 && t < height)
                mz_spread(from + (ptrdiff_t)t * width * inputs, inputs, width, mz_row_of(&stages[0].inputs, t),
                          stages[0].inputs.pixel);
            for (int32_t i = 0; i < count; i++) {
                const int32_t y = t - 1 - i, reach = count - 1 - i;
                if (y < 0 || y >= height || y < top - reach || y >= bottom + reach) continue;
                run_stage(stages, i, count, y, height, width, start ? start + image * map * layers[0]->outputs : NULL,
                          features + image * map * layers[0]->outputs);
            }
        }
    }
    return MZ_OK;
}
