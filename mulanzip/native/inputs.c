/* What the network sees of cells, and linear predictions to which its own are added. */
#include "layer.h"

enum { PHASE_A, PHASE_H, PHASE_V, PHASE_D, COLOURS = 3 };
/* Places of planes: differences above and below the mean of A, that mean, masks. */
enum { ABOVE = 0, BELOW = 12, BRIGHTNESS = 24, KNOWLEDGE = 27 };
/* The same for one colour, with coarse differences, and the mean in steps of four levels. */
enum { GRAY_ABOVE = 0, GRAY_BELOW = 4, GRAY_FAR_ABOVE = 8, GRAY_FAR_BELOW = 12, GRAY_BRIGHTNESS = 16, GRAY_MEAN = 17,
       GRAY_KNOWLEDGE = 18 };

/* Reciprocals by number of terms: mean = sum * reciprocal >> fractional bits. */
static const int64_t NINTH[10] = {0, 65536, 32768, 21846, 16384, 13108, 10923, 9363, 8192, 7282}; /* 2^16 / n, up */
static const int64_t QUARTER[5] = {0, 32768, 16384, 10923, 8192};                                 /* 2^15 / n, nearest */

static int are_cells(const mz_cells *c) {
    return (c->colours == COLOURS || c->colours == 1) && c->images >= 0 && c->height >= 0 && c->width >= 0 && c->height <= MZ_MAX_SIDE && c->width <= MZ_MAX_SIDE &&
           c->count >= 1 && c->count <= 65536 && c->log2_steps >= -4 && c->log2_steps <= 8;
}

static const int32_t *samples_at(const mz_cells *c, int32_t image, int32_t y, int32_t x) {
    return c->samples + (((ptrdiff_t)image * c->height + y) * c->width + x) * MZ_PHASES * c->colours;
}

static const uint8_t *known_at(const mz_cells *c, int32_t y, int32_t x) {
    return c->known + ((ptrdiff_t)y * c->width + x) * MZ_PHASES;
}

/* Sums of known samples by colour, and how many there are. */
typedef struct {
    int64_t total[COLOURS];
    int32_t count;
} mz_sum;

static void add_known(const mz_cells *c, int32_t image, int32_t y, int32_t x, int32_t phase, mz_sum *sum) {
    if (y < 0 || y >= c->height || x < 0 || x >= c->width || !known_at(c, y, x)[phase]) return;
    const int32_t *samples = samples_at(c, image, y, x) + phase * c->colours;
    for (int i = 0; i < c->colours; i++) sum->total[i] += samples[i];
    sum->count++;
}

/* The known A of a column of three cells. */
static mz_sum column_of(const mz_cells *c, int32_t image, int32_t y, int32_t x) {
    mz_sum sum = {{0}, 0};
    for (int32_t row = y - 1; row <= y + 1; row++) add_known(c, image, row, x, PHASE_A, &sum);
    return sum;
}

/* Planes of a cell; means: of the known A around it. */
static void write_planes(const int32_t *samples, const uint8_t *known, const int64_t *means, const mz_cells *c,
                         uint8_t *to) {
    const int up = c->log2_steps < 0 ? -c->log2_steps : 0, down = c->log2_steps > 0 ? c->log2_steps : 0;
    memset(to, 0, MZ_INPUT_PLANES);
    for (int phase = 0; phase < MZ_PHASES; phase++) {
        if (!known[phase]) continue;
        to[KNOWLEDGE + phase] = MZ_KNOWN;
        for (int i = phase * COLOURS; i < (phase + 1) * COLOURS; i++) {
            const int64_t difference = samples[i] * ((int64_t)1 << up) - means[i % COLOURS];
            to[ABOVE + i] = (uint8_t)mz_clip(difference >> down, 0, 255);
            to[BELOW + i] = (uint8_t)mz_clip(-difference >> down, 0, 255);
        }
    }
    for (int i = 0; i < COLOURS; i++) to[BRIGHTNESS + i] = (uint8_t)(means[i] * 64 / ((int64_t)c->count << up));
}

static void write_gray_planes(const int32_t *samples, const uint8_t *known, const int64_t *means, const mz_cells *c,
                              uint8_t *to) {
    const int up = c->log2_steps < 0 ? -c->log2_steps : 0, down = c->log2_steps > 0 ? c->log2_steps : 0;
    memset(to, 0, MZ_GRAY_INPUT_PLANES);
    for (int phase = 0; phase < MZ_PHASES; phase++) {
        if (!known[phase]) continue;
        const int64_t difference = samples[phase] * ((int64_t)1 << up) - means[0];
        to[GRAY_KNOWLEDGE + phase] = MZ_KNOWN;
        to[GRAY_ABOVE + phase] = (uint8_t)mz_clip(difference >> down, 0, 255);
        to[GRAY_BELOW + phase] = (uint8_t)mz_clip(-difference >> down, 0, 255);
        to[GRAY_FAR_ABOVE + phase] = (uint8_t)mz_clip(difference >> down >> MZ_COARSE_BITS, 0, 255);
        to[GRAY_FAR_BELOW + phase] = (uint8_t)mz_clip(-difference >> down >> MZ_COARSE_BITS, 0, 255);
    }
    to[GRAY_BRIGHTNESS] = (uint8_t)(means[0] * 64 / ((int64_t)c->count << up));
    to[GRAY_MEAN] = (uint8_t)mz_clip(means[0] >> down >> 2, 0, 255);
}

int mz_input_planes(const mz_cells *c, uint8_t *planes) {
    if (!are_cells(c)) return MZ_ERROR_ARGUMENT;
    const int is_gray = c->colours == 1;
    const int up = c->log2_steps < 0 ? -c->log2_steps : 0;
    for (int32_t image = 0; image < c->images; image++)
        for (int32_t y = 0; y < c->height; y++) {
            mz_sum left = {{0}, 0}, middle = {{0}, 0}, right = column_of(c, image, y, 0);
            for (int32_t x = 0; x < c->width; x++, planes += is_gray ? MZ_GRAY_INPUT_PLANES : MZ_INPUT_PLANES) {
                left = middle;
                middle = right;
                right = column_of(c, image, y, x + 1);
                const int32_t count = left.count + middle.count + right.count;
                int64_t means[COLOURS];
                for (int i = 0; i < c->colours; i++)
                    means[i] = (left.total[i] + middle.total[i] + right.total[i]) * ((int64_t)1 << up) * NINTH[count] >> 16;
                (is_gray ? write_gray_planes : write_planes)(samples_at(c, image, y, x), known_at(c, y, x), means, c,
                                                             planes);
            }
        }
    return MZ_OK;
}

/* A neighbour: its phase, and the row and column of its cell. */
typedef struct {
    int8_t phase, y, x;
} mz_neighbour;

static mz_sum sum_of(const mz_cells *c, int32_t image, int32_t y, int32_t x, const mz_neighbour neighbours[4]) {
    mz_sum sum = {{0}, 0};
    for (int i = 0; i < 4; i++)
        add_known(c, image, y + neighbours[i].y, x + neighbours[i].x, neighbours[i].phase, &sum);
    return sum;
}

int mz_base_prediction(const mz_cells *c, int32_t phase, int32_t top, int32_t bottom, int32_t left, int32_t right,
                       int32_t *base) {
    static const mz_neighbour nearest[MZ_PHASES][4] = {
        {{0, 0, 0}},
        {{PHASE_A, 0, 0}, {PHASE_A, 0, 1}, {PHASE_D, 0, 0}, {PHASE_D, -1, 0}},
        {{PHASE_A, 0, 0}, {PHASE_A, 1, 0}, {PHASE_D, 0, 0}, {PHASE_D, 0, -1}},
        {{PHASE_H, 0, 0}, {PHASE_H, 1, 0}, {PHASE_V, 0, 0}, {PHASE_V, 0, 1}},
    };
    /* Not all schedules reveal the four pixels nearest to D first: the diagonal ones replace them. */
    static const mz_neighbour diagonal[4] = {{PHASE_A, 0, 0}, {PHASE_A, 0, 1}, {PHASE_A, 1, 0}, {PHASE_A, 1, 1}};
    if (!are_cells(c) || phase <= PHASE_A || phase >= MZ_PHASES || top < 0 || top > bottom || bottom > c->height ||
        left < 0 || left > right || right > c->width)
        return MZ_ERROR_ARGUMENT;
    const int64_t n = (int64_t)c->images * (bottom - top) * (right - left);
    for (int32_t image = 0; image < c->images; image++)
        for (int32_t y = top; y < bottom; y++)
            for (int32_t x = left; x < right; x++, base++) {
                mz_sum sum = sum_of(c, image, y, x, nearest[phase]);
                if (phase == PHASE_D && sum.count == 0) sum = sum_of(c, image, y, x, diagonal);
                for (int i = 0; i < c->colours; i++)
                    base[i * n] = (int32_t)(sum.total[i] * QUARTER[sum.count] >> (15 - MZ_MEAN_BITS + c->log2_steps));
            }
    return MZ_OK;
}
