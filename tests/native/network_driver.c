/* Runs random networks with one kernel, and prints digests of their outputs: one line per case.
 *
 *     network_driver KERNEL CASES
 *
 * A kernel that this machine does not have prints "none".  Memory has exactly the sizes that the interface states. */
#define _ISOC11_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "network.h"

static uint64_t state;

static uint32_t draw(uint32_t below) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((state >> 33) % below);
}

static void *take(int64_t size) {
    void *memory = aligned_alloc(MZ_ALIGNMENT, (size_t)(size + MZ_ALIGNMENT) / MZ_ALIGNMENT * MZ_ALIGNMENT);
    if (!memory) exit(3);
    return memory;
}

static void must(int error, const char *what) {
    if (!error) return;
    printf("%s fails\n", what);
    exit(1);
}

static uint64_t digest(uint64_t sum, const void *memory, size_t size) {
    const uint8_t *bytes = memory;
    for (size_t i = 0; i < size; i++) sum = (sum ^ bytes[i]) * 1099511628211u;
    return sum;
}

static uint8_t *random_bytes(size_t size) {
    uint8_t *bytes = malloc(size + !size);
    if (!bytes) exit(3);
    uint32_t kind = draw(3);
    for (size_t i = 0; i < size; i++) bytes[i] = (uint8_t)(kind == 0 ? 255 : kind == 1 ? 255 * draw(2) : draw(256));
    return bytes;
}

/* A layer with weights of random size, and shifts with which it is exact. */
static mz_layer *random_layer(int32_t kernel, int32_t side, int32_t outputs, int32_t first, int32_t second) {
    const mz_layer_shape shape = {kernel, side, outputs, {first, second}};
    const int32_t fan = side * side * (first + second), most = (int32_t)(1 + draw(64));
    int8_t *weights = malloc((size_t)(outputs * fan)), *shifts = malloc((size_t)outputs);
    if (!weights || !shifts) exit(3);
    for (int32_t i = 0; i < outputs * fan; i++) weights[i] = (int8_t)((int32_t)draw((uint32_t)(2 * most + 1)) - most);
    for (int32_t i = 0; i < outputs; i++) shifts[i] = (int8_t)((int32_t)draw(15) - (fan < 60));
    const int64_t size = mz_packed_size(&shape);
    mz_layer *layer = take(size);
    must(mz_pack_layer(&shape, weights, shifts, layer, size), "packing");
    if (mz_pack_layer(&shape, weights, shifts, layer, size - 1) != MZ_ERROR_SPACE) must(1, "refusal of too little memory");
    must(mz_pack_layer(&shape, weights, shifts, layer, size), "packing");
    free(weights);
    free(shifts);
    return layer;
}

static int32_t *random_biases(int32_t count) {
    int32_t *biases = malloc(sizeof *biases * (size_t)count);
    if (!biases) exit(3);
    for (int32_t i = 0; i < count; i++) biases[i] = (int32_t)draw(20001) - 10000;
    return biases;
}

static uint64_t run_layer(int32_t kernel) {
    const int32_t side = draw(2) ? 3 : 1, in = (int32_t)(1 + draw(70)), out = (int32_t)(1 + draw(70));
    const int32_t images = (int32_t)(1 + draw(2)), h = (int32_t)(1 + draw(6)), w = (int32_t)(1 + draw(40));
    const size_t cells = (size_t)(images * h * w);
    mz_layer *layer = random_layer(kernel, side, out, in, 0);
    int32_t *biases = random_biases(out), *integers = malloc(4 * cells * (size_t)out);
    uint8_t *inputs = random_bytes(cells * (size_t)in), *residual = random_bytes(cells * (size_t)out);
    uint8_t *saturated = malloc(cells * (size_t)out);
    const int64_t size = mz_layer_workspace(layer, w);
    void *workspace = take(size);
    must(mz_run_layer(layer, biases, inputs, images, h, w, NULL, NULL, integers, workspace, size), "a layer");
    must(mz_run_layer(layer, biases, inputs, images, h, w, residual, saturated, NULL, workspace, size), "a layer");
    uint64_t sum = digest(digest(0, integers, 4 * cells * (size_t)out), saturated, cells * (size_t)out);
    free(layer), free(biases), free(integers), free(inputs), free(residual), free(saturated), free(workspace);
    return sum;
}

enum { LAYERS = 5 };

static uint64_t run_pass(int32_t kernel) {
    const int32_t in = (int32_t)(1 + draw(40)), c = (int32_t)(1 + draw(70));
    const int32_t images = (int32_t)(1 + draw(2)), h = (int32_t)(1 + draw(12)), w = (int32_t)(1 + draw(40));
    const size_t cells = (size_t)(images * h * w);
    mz_layer *layers[LAYERS];
    for (int i = 0; i < LAYERS; i++) layers[i] = random_layer(kernel, 3, c, i ? c : in, 0);
    int32_t *biases = random_biases(LAYERS * c);
    uint8_t *planes = random_bytes(cells * (size_t)in), *start = random_bytes(cells * (size_t)c);
    uint8_t *features = malloc(cells * (size_t)c);
    const int64_t size = mz_pass_workspace((const mz_layer *const *)layers, LAYERS, w);
    void *workspace = take(size);
    const int32_t cut = (int32_t)draw((uint32_t)h + 1);
    for (int part = 0; part < 2; part++)
        must(mz_run_pass((const mz_layer *const *)layers, biases, LAYERS, planes, images, h, w, part ? cut : 0,
                         part ? h : cut, start, features, workspace, size),
             "a pass");
    uint64_t sum = digest(0, features, cells * (size_t)c);
    for (int i = 0; i < LAYERS; i++) free(layers[i]);
    free(biases), free(planes), free(start), free(features), free(workspace);
    return sum;
}

static uint64_t run_head(int32_t kernel) {
    const int32_t c = (int32_t)(1 + draw(70)), colours = (int32_t)draw(3), n = (int32_t)draw(200);
    const int32_t inner = colours ? (int32_t)(1 + draw(40)) : 0, outputs = (int32_t)(1 + draw(20));
    const int32_t saturations = (int32_t)draw((uint32_t)outputs + 1), planes_of = MZ_OFFSET_PLANES * colours;
    mz_layer *hidden = colours ? random_layer(kernel, 1, inner, c, planes_of) : NULL;
    mz_layer *out = random_layer(kernel, 1, outputs, c, inner);
    int32_t *hidden_biases = random_biases(inner + 1), *biases = random_biases(outputs);
    int32_t *offsets = random_biases(colours * n + 1), *integers = malloc(4 * (size_t)(n * outputs) + 1);
    uint8_t *features = random_bytes((size_t)(n * c)), *planes = malloc((size_t)(n * planes_of) + 1);
    uint8_t *saturated = malloc((size_t)(n * outputs) + 1);
    must(mz_offset_planes(offsets, colours, n, planes), "offset planes");
    const int64_t size = mz_head_workspace(hidden, out);
    void *workspace = take(size);
    must(mz_run_head(hidden, hidden_biases, out, biases, features, planes, n, saturations, saturated, integers, workspace, size),
         "a head");
    uint64_t sum = digest(digest(0, saturated, (size_t)(n * saturations)), integers, 4 * (size_t)(n * (outputs - saturations)));
    free(hidden), free(out), free(hidden_biases), free(biases), free(offsets), free(integers), free(features), free(planes);
    free(saturated), free(workspace);
    return sum;
}

static uint64_t run_inputs(void) {
    const int32_t images = (int32_t)(1 + draw(2)), h = (int32_t)(1 + draw(9)), w = (int32_t)(1 + draw(9));
    const size_t cells = (size_t)(images * h * w);
    const int32_t colours = draw(2) ? 3 : 1;
    const size_t samples_count = cells * 4 * (size_t)colours, base_count = cells * (size_t)colours;
    const size_t planes_count = cells * (colours == 1 ? MZ_GRAY_INPUT_PLANES : MZ_INPUT_PLANES);
    mz_cells c = {images, h, w, colours, (int32_t)(1 + draw(65536)), (int32_t)draw(13) - 4, NULL, NULL};
    int32_t *samples = malloc(sizeof *samples * samples_count), *base = malloc(sizeof *base * base_count);
    uint8_t *known = malloc((size_t)(h * w * 4)), *planes = malloc(planes_count);
    for (size_t i = 0; i < samples_count; i++) samples[i] = (int32_t)draw((uint32_t)c.count);
    for (int32_t i = 0; i < h * w * 4; i++) known[i] = (uint8_t)draw(2);
    c.samples = samples;
    c.known = known;
    must(mz_input_planes(&c, planes), "planes");
    uint64_t sum = digest(0, planes, planes_count);
    for (int32_t phase = 1; phase < MZ_PHASES; phase++) {
        must(mz_base_prediction(&c, phase, 0, h, 0, w, base), "base");
        sum = digest(sum, base, sizeof *base * base_count);
    }
    free(samples), free(base), free(known), free(planes);
    return sum;
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    const int32_t kernel = atoi(argv[1]);
    if (!mz_has_kernel(kernel)) {
        puts("none");
        return 0;
    }
    for (int i = 0; i < atoi(argv[2]); i++) {
        state = (uint64_t)i;
        uint64_t sum = i % 4 == 0 ? run_layer(kernel) : i % 4 == 1 ? run_pass(kernel) : i % 4 == 2 ? run_head(kernel) : run_inputs();
        printf("%d %016llx\n", i, (unsigned long long)sum);
    }
    return 0;
}
