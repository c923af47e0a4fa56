/* Feeds the library with what memory, a network or a hostile file may hold, and prints a hash of all that comes out.
 *
 * Arguments: number of cases.  Exit code 1 if a round trip fails.  Arrays have the very sizes that the header states,
 * so that a sanitizer sees every access beyond them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mulanzip_native.h"

static uint64_t state = 88172645463325252u, hash = 1469598103934665603u;

static uint64_t any(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 2685821657736338717u;
}

static int64_t below(int64_t n) { return (int64_t)((any() >> 33) % (uint64_t)n); }

/* All magnitudes and signs. */
static int32_t any_int32(void) { return (int32_t)((int64_t)(any() >> 32) - 2147483648) >> below(32); }

static void *room(int64_t size) {
    void *memory = malloc(size > 0 ? (size_t)size : 1);
    if (!memory) exit(2);
    return memory;
}

static void *copy(const void *from, int64_t size) { return memcpy(room(size), from, (size_t)size); }

static void add(const void *memory, int64_t size) {
    const uint8_t *bytes = memory;
    for (int64_t i = 0; i < size; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
}

static void fail(const char *what) {
    printf("failed: %s\n", what);
    exit(1);
}

static mz_scale any_scale(int kind, int32_t *edges, uint8_t *forbidden) {
    static const int32_t counts[] = {1, 2, 3, 200, 255, 256, 257, 1024, 65535, 65536};
    mz_scale s = {256, 0, NULL, NULL, 0};
    if (kind == 1) {
        s.count = counts[below(10)];
        s.log2_steps = (int32_t)below(13) - 4;
    }
    if (kind >= 2 && kind != 3) {
        int64_t edge = below(1 << 20) - (1 << 20);
        for (int v = 0; v < 257; v++) {
            edge += below(3) ? below(64) : below(8000) * below(2);
            edges[v] = (int32_t)(edge < 1 << 20 ? edge : 1 << 20);
        }
        edges[0] = any_int32();
        edges[256] = any_int32();
        s.edges = edges;
    }
    if (kind >= 3) {
        for (int i = 0; i < 1 << 21; i += 8) {
            uint64_t bits = any();
            memcpy(forbidden + i, &bits, 8);
        }
        s.forbidden = forbidden;
        s.log2_penalty = (int32_t)below(32);
    }
    return s;
}

static void one_case(const mz_tables *t, int kind) {
    int hostile = below(3) > 0;
    int32_t *edges = room(257 * 4);
    uint8_t *forbidden = kind >= 3 ? room(1 << 21) : NULL;
    mz_scale s = any_scale(kind, edges, forbidden);
    mz_tile tile = {(int32_t)below(3), (int32_t)below(3) + 1, (int32_t)below(12), (int32_t)below(14)};
    mz_unit unit = {(int32_t)below(3) + 1, 0, 0, 0, (int32_t)below(MZ_MAX_COMPONENTS) + 1};
    if (kind < 3 && !below(3)) { /* A slice of a stack. */
        tile.images = tile.colours = 1;
        tile.earlier = (int32_t)below(MZ_MAX_EARLIER + 1);
    }
    if (below(2)) unit.components = 3 + (int32_t)below(2);
    unit.colour = kind >= 3 ? tile.colours - 1 : (int32_t)below(tile.colours);
    unit.height = (int32_t)below(tile.height + 1);
    unit.width = (int32_t)below(tile.width + 1);
    int64_t row = tile.width + 2 * MZ_BORDER, plane = row * (tile.height + 2 * MZ_BORDER);
    int64_t cells = tile.images * tile.colours * MZ_PHASES * plane, n = (int64_t)tile.images * unit.height * unit.width;
    int components = unit.components, colour = unit.colour;

    int32_t *values = room(cells * 4), middle = (int32_t)below(s.count), width = 1 + s.count / (1 << below(9));
    int8_t *residuals = room(cells);
    for (int64_t i = 0; i < cells; i++) {
        values[i] = hostile ? any_int32() : (int32_t)((middle + below(width)) % s.count);
        residuals[i] = (int8_t)(hostile ? any() : 0);
    }
    for (int64_t b = 0; b < tile.images; b++)
        for (int64_t y = 0; y < unit.height; y++)
            for (int64_t x = 0; x < unit.width; x++) {
                int32_t *v = values + ((b * tile.colours + colour) * MZ_PHASES + unit.phase) * plane +
                             (y + MZ_BORDER) * row + x + MZ_BORDER;
                *v = (int32_t)((uint32_t)*v % (uint32_t)s.count);
            }
    uint8_t *shapes = room(2 * components * n);
    int32_t *means = room((components + colour) * n * 4), *base = room(n * 4), *offsets = room(colour * n * 4);
    for (int64_t i = 0; i < 2 * components * n; i++)
        shapes[i] = (uint8_t)(!hostile ? 100 + below(50) : below(3) ? below(256) : 255 * below(2));
    for (int64_t i = 0; i < (components + colour) * n; i++) means[i] = hostile ? any_int32() : (int32_t)below(200) - 100;
    for (int64_t i = 0; i < n; i++) base[i] = hostile ? any_int32() : middle * 32;
    for (int64_t i = 0; i < colour * n; i++) offsets[i] = hostile ? any_int32() : (int32_t)below(200) - 100;
    unit.shapes = shapes;
    unit.means = means;
    unit.base = base;
    unit.offsets = offsets;

    int64_t others = tile.earlier * MZ_PHASES * plane;
    int32_t *earlier_values = room(others * 4);
    int8_t *earlier_residuals = room(others);
    for (int64_t i = 0; i < others; i++) {
        earlier_values[i] = hostile ? any_int32() : (int32_t)((middle + below(width)) % s.count) - !below(9);
        earlier_residuals[i] = (int8_t)(hostile ? any() : (uint64_t)below(193) - 96);
    }
    tile.earlier_values = earlier_values;
    tile.earlier_residuals = earlier_residuals;

    mz_symbol *symbols = room(2 * n * (int64_t)sizeof(mz_symbol));
    uint32_t *bits = room(n * 4), *words = room((2 * n + 2) * 4);
    int64_t used = 0, count = 0;
    uint64_t total = 0;
    memset(bits, 0, (size_t)n * 4);
    mz_tile encoded = tile, measured = tile, decoded = tile;
    encoded.values = measured.values = values;
    encoded.residuals = copy(residuals, cells);
    measured.residuals = copy(residuals, cells);
    decoded.values = copy(values, cells * 4);
    decoded.residuals = copy(residuals, cells);
    int32_t *start = calloc(MZ_LEARNED, 4), *end = room(MZ_LEARNED * 4), *learned = room(MZ_LEARNED * 4);
    if (!start) exit(2);
    if (below(2)) { /* What a unit has learned before, or nothing. */
        unit.learned = start;
        if (mz_encode_unit(t, &s, &encoded, &unit, symbols, 2 * n, &used)) fail("encode before");
        memcpy(encoded.residuals, residuals, (size_t)cells);
        unit.learned = learned;
    }
    memcpy(learned, start, MZ_LEARNED * 4);
    if (mz_encode_unit(t, &s, &encoded, &unit, symbols, 2 * n, &used)) fail("encode");
    memcpy(end, learned, MZ_LEARNED * 4);
    memcpy(learned, start, MZ_LEARNED * 4);
    if (mz_measure_unit(t, &s, &measured, &unit, bits, &total)) fail("measure");
    if (mz_push(symbols, used, words, used + 2, &count)) fail("push");
    if (memcmp(measured.residuals, encoded.residuals, (size_t)cells)) fail("residuals of a measurement");
    uint64_t again = 0;
    if (mz_measure(t, symbols, used, &again) || again != total) fail("measure symbols");
    int64_t *seen = room(2 * (int64_t)s.count * 8), *expected = seen + s.count;
    memset(seen, 0, 2 * (size_t)s.count * 8);
    if (memcmp(learned, end, MZ_LEARNED * 4)) fail("what a measurement has learned");
    memcpy(learned, start, MZ_LEARNED * 4);
    memcpy(measured.residuals, residuals, (size_t)cells);
    if (mz_count_unit(t, &s, &measured, &unit, seen, expected) != (s.count < 16)) fail("count");
    add(seen, 2 * (int64_t)s.count * 8);
    if (s.count >= 16 && memcmp(measured.residuals, encoded.residuals, (size_t)cells)) fail("residuals of counting");
    add(symbols, used * (int64_t)sizeof(mz_symbol));
    add(bits, n * 4);
    add(encoded.residuals, cells);
    add(end, MZ_LEARNED * 4);

    mz_decoder decoder;
    uint32_t *kept = copy(words, count * 4); /* Of its very size. */
    mz_decoder_start(&decoder, kept, count);
    memcpy(learned, start, MZ_LEARNED * 4);
    if (mz_decode_unit(t, &s, &decoded, &unit, &decoder)) fail("decode");
    if (memcmp(learned, end, MZ_LEARNED * 4)) fail("what a decoder has learned");
    if (!mz_decoder_is_empty(&decoder)) fail("symbols are left");
    if (memcmp(decoded.values, values, (size_t)cells * 4)) fail("values");
    if (memcmp(decoded.residuals, encoded.residuals, (size_t)cells)) fail("residuals");

    for (int64_t i = 0; i < count; i++) kept[i] = (uint32_t)any();
    mz_decoder_start(&decoder, kept, below(count + 1));
    if (mz_decode_unit(t, &s, &decoded, &unit, &decoder)) fail("decode any words");
    int32_t uniform[16];
    if (mz_decode_uniform(&decoder, 1 + (int32_t)below(65536), 16, uniform)) fail("uniform");
    add(decoded.values, cells * 4);
    add(decoded.residuals, cells);
    add(uniform, sizeof(uniform));

    void *rooms[] = {edges, forbidden, values, residuals, shapes, means, base, offsets, symbols, bits, words, kept, seen,
                     encoded.residuals, measured.residuals, decoded.values, decoded.residuals, earlier_values,
                     earlier_residuals, start, end, learned};
    for (size_t i = 0; i < sizeof(rooms) / sizeof(*rooms); i++) free(rooms[i]);
}

int main(int count, char **arguments) {
    mz_tables *tables = calloc(1, sizeof(mz_tables));
    if (!tables || count != 2) return 2;
    mz_fill_tables(tables);
    add(tables, sizeof(mz_tables));
    for (int i = 0, n = atoi(arguments[1]); i < n; i++) one_case(tables, i % 5);
    free(tables);
    printf("%016llx\n", (unsigned long long)hash);
    return 0;
}
