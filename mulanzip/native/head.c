/* Heads: features and offset planes -> parameters of a colour. */
#include "rows.h"

/* Pixels at a time. */
enum { CHUNK = 64 };

static int is_hidden_of(const mz_layer *hidden, const mz_layer *out) {
    return mz_is_layer(hidden) && hidden->side == 1 && hidden->channels[0] == out->channels[0] &&
           hidden->outputs == out->channels[1];
}

/* Places in the workspace of a head, in bytes. */
typedef struct {
    int64_t hidden_start, out_start, features, planes, inner, results, size;
} mz_head_places;

static mz_head_places places_of(const mz_layer *hidden, const mz_layer *out) {
    mz_head_places p;
    p.hidden_start = 0;
    p.out_start = hidden ? mz_padded(4 * mz_lanes_of(hidden)) : 0;
    p.features = p.out_start + mz_padded(4 * mz_lanes_of(out));
    p.planes = p.features + mz_padded(CHUNK * mz_pixel_bytes(out, 0));
    p.inner = p.planes + (hidden ? mz_padded(CHUNK * mz_pixel_bytes(hidden, 1)) : 0);
    p.results = p.inner + mz_padded(CHUNK * mz_pixel_bytes(out, 1));
    p.size = p.results + mz_padded(4 * (int64_t)CHUNK * out->outputs);
    return p;
}

int64_t mz_head_workspace(const mz_layer *hidden, const mz_layer *out) {
    if (!mz_is_layer(out) || out->side != 1 || !hidden != !out->channels[1]) return -1;
    return hidden && !is_hidden_of(hidden, out) ? -1 : places_of(hidden, out).size;
}

/* Pixels whose bytes are a multiple of a step are read where they are. */
static const uint8_t *as_steps(const uint8_t *from, int32_t channels, int32_t count, uint8_t *to, ptrdiff_t pixel) {
    if (pixel == channels) return from;
    mz_spread(from, channels, count, to, pixel);
    return to;
}

/* (count, outputs) -> (outputs, n), at pixel x. */
static void write_parameters(const int32_t *results, int32_t outputs, int32_t count, int64_t x, int64_t n,
                             int32_t saturations, uint8_t *saturated, int32_t *integers) {
    for (int32_t o = 0; o < saturations; o++)
        for (int32_t i = 0; i < count; i++)
            saturated[o * n + x + i] = (uint8_t)mz_clip(results[i * outputs + o], 0, 255);
    for (int32_t o = saturations; o < outputs; o++)
        for (int32_t i = 0; i < count; i++) integers[(o - saturations) * n + x + i] = results[i * outputs + o];
}

int mz_run_head(const mz_layer *hidden, const int32_t *hidden_biases, const mz_layer *out, const int32_t *out_biases,
                const uint8_t *features, const uint8_t *planes, int64_t n, int32_t saturations, uint8_t *saturated,
                int32_t *integers, void *workspace, int64_t size) {
    const int64_t needed = mz_head_workspace(hidden, out);
    if (needed < 0 || n < 0 || saturations < 0 || saturations > out->outputs || !mz_is_aligned(workspace))
        return MZ_ERROR_ARGUMENT;
    if (size < needed) return MZ_ERROR_SPACE;
    memset(workspace, 0, (size_t)needed);
    const mz_head_places places = places_of(hidden, out);
    uint8_t *const memory = workspace, *const inner = memory + places.inner;
    int32_t *const hidden_start = (int32_t *)(memory + places.hidden_start);
    int32_t *const out_start = (int32_t *)(memory + places.out_start), *const sums = (int32_t *)(memory + places.results);
    if (mz_start_of(out, out_biases, out_start) || (hidden && mz_start_of(hidden, hidden_biases, hidden_start)))
        return MZ_ERROR_ARGUMENT;
    const ptrdiff_t pixel = mz_pixel_bytes(out, 0), inner_pixel = mz_pixel_bytes(out, 1);
    const mz_results results = {NULL, sums, out->outputs, NULL, 0};
    for (int64_t x = 0; x < n; x += CHUNK) {
        const int32_t count = (int32_t)(n - x < CHUNK ? n - x : CHUNK);
        const uint8_t *f = as_steps(features + x * out->channels[0], out->channels[0], count, memory + places.features, pixel);
        if (hidden) {
            const ptrdiff_t bytes = mz_pixel_bytes(hidden, 1);
            const uint8_t *p = as_steps(planes + x * hidden->channels[1], hidden->channels[1], count, memory + places.planes, bytes);
            const mz_runs runs = {2, {hidden->part[0], hidden->part[1]}, {pixel, bytes}, {f, p}};
            const mz_results to = {inner, NULL, inner_pixel, NULL, 0};
            mz_run_row(hidden, hidden_start, &runs, count, &to);
        }
        const mz_runs runs = {hidden ? 2 : 1, {out->part[0], out->part[1]}, {pixel, inner_pixel}, {f, inner}};
        mz_run_row(out, out_start, &runs, count, &results);
        write_parameters(sums, out->outputs, count, x, n, saturations, saturated, integers);
    }
    return MZ_OK;
}

int mz_offset_planes(const int32_t *offsets, int32_t colours, int64_t n, uint8_t *planes) {
    if (colours < 0 || colours > MZ_MAX_COLOURS || n < 0) return MZ_ERROR_ARGUMENT;
    for (int32_t c = 0; c < colours; c++)
        for (int64_t i = 0; i < n; i++) {
            const int64_t offset = offsets[c * n + i], above = offset > 0 ? offset : 0, below = offset < 0 ? -offset : 0;
            uint8_t *to = planes + (i * colours + c) * MZ_OFFSET_PLANES;
            to[0] = (uint8_t)mz_clip(above >> (MZ_MEAN_BITS - 3), 0, 255);
            to[1] = (uint8_t)mz_clip(below >> (MZ_MEAN_BITS - 3), 0, 255);
            to[2] = (uint8_t)mz_clip(above >> MZ_MEAN_BITS, 0, 255);
            to[3] = (uint8_t)mz_clip(below >> MZ_MEAN_BITS, 0, 255);
        }
    return MZ_OK;
}
