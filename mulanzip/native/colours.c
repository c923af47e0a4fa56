/* Colours that JPEG decoders produce: luma and two colour differences of 8 bits, converted to RGB.
 *
 * There are 2^24 of them before they are clipped, and a fourth as many after.  So those that are clipped are not visited
 * one by one. */
#include <stdbool.h>
#include <string.h>

#include "integers.h"
#include "mulanzip_native.h"

/* The coefficients have 16 fractional bits, as in decoders: coarser ones lead to other colours. */
static int32_t converted(int32_t sum) { return (sum + 32768) >> 16; }

static int32_t to_red(int32_t cr) { return converted(91881 * cr); }
static int32_t to_green(int32_t cb, int32_t cr) { return converted(-22554 * cb - 46802 * cr); }
static int32_t to_blue(int32_t cb) { return converted(116130 * cb); }

static int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }
static int32_t larger(int32_t a, int32_t b) { return a > b ? a : b; }

static void clear(uint8_t *bits, int32_t green, int32_t red, int32_t blue) {
    uint32_t colour = (uint32_t)green << 16 | (uint32_t)red << 8 | (uint32_t)blue;
    bits[colour >> 3] &= (uint8_t)~(1u << (colour & 7));
}

/* Colours whose red and blue are not clipped. */
static void clear_inside(uint8_t *bits) {
    for (int32_t cr = -128; cr < 128; cr++)
        for (int32_t cb = -128; cb < 128; cb++) {
            int32_t red = to_red(cr), green = to_green(cb, cr), blue = to_blue(cb);
            int32_t y = larger(0, -smaller(red, blue)), last = 255 - larger(0, larger(red, blue));
            for (; y <= last && y + green < 0; y++) clear(bits, 0, y + red, y + blue);
            for (int32_t high = smaller(last, 255 - green); y <= high; y++)
                clear(bits, y + green, y + red, y + blue);
            for (; y <= last; y++) clear(bits, 255, y + red, y + blue);
        }
}

/* Colours with a channel, red or blue, that is clipped: below if the difference that decides it comes from ``end`` -128,
 * above if from 127.  From ``end`` to the last one that is clipped, each step changes green by 0 or 1: green takes all
 * values between those at both ends. */
static void clear_side(uint8_t *bits, bool is_red, int32_t end) {
    int32_t last[256], inwards = end < 0 ? 1 : -1, side = end < 0 ? 0 : 255;
    for (int32_t y = 0; y < 256; y++)
        for (last[y] = end - inwards;; last[y] += inwards) {
            int32_t next = last[y] + inwards, value = y + (is_red ? to_red(next) : to_blue(next));
            if (value >= 0 && value <= 255) break;
        }
    /* For each value of the channel that remains. */
    for (int32_t other = 0; other < 256; other++) {
        int32_t starts[257] = {0}; /* Ranges of green that start here, less those that end before. */
        for (int32_t difference = -128; difference < 128; difference++) {
            int32_t unclipped = other - (is_red ? to_blue(difference) : to_red(difference));
            int32_t y = other ? larger(0, unclipped) : 0, stop = other < 255 ? smaller(255, unclipped) : 255;
            for (; y <= stop; y++) {
                if (last[y] == end - inwards) continue;
                int32_t a = y + (is_red ? to_green(difference, end) : to_green(end, difference));
                int32_t b = y + (is_red ? to_green(difference, last[y]) : to_green(last[y], difference));
                starts[mz_clip(smaller(a, b), 0, 255)]++;
                starts[mz_clip(larger(a, b), 0, 255) + 1]--;
            }
        }
        for (int32_t green = 0, ranges = 0; green < 256; green++) {
            ranges += starts[green];
            if (ranges) clear(bits, green, is_red ? side : other, is_red ? other : side);
        }
    }
}

void mz_fill_other_colours(uint8_t *bits) {
    memset(bits, 0xff, 1 << 21);
    clear_inside(bits);
    for (int channel = 0; channel < 2; channel++) {
        clear_side(bits, channel, -128);
        clear_side(bits, channel, 127);
    }
}
