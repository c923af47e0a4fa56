/* Colours that JPEG decoders produce: luma and two colour differences of 8 bits, converted to RGB. */
#include <string.h>

#include "integers.h"
#include "mulanzip_native.h"

/* The coefficients have 16 fractional bits, as in decoders: coarser ones lead to other colours. */
static int32_t converted(int32_t sum) { return (sum + 32768) >> 16; }

void mz_fill_other_colours(uint8_t *bits) {
    memset(bits, 0xff, 1 << 21);
    for (int32_t cr = -128; cr < 128; cr++)
        for (int32_t cb = -128; cb < 128; cb++) {
            int32_t to_red = converted(91881 * cr), to_green = converted(-22554 * cb - 46802 * cr);
            int32_t to_blue = converted(116130 * cb);
            for (int32_t y = 0; y < 256; y++) {
                uint32_t red = (uint32_t)mz_clip(y + to_red, 0, 255), green = (uint32_t)mz_clip(y + to_green, 0, 255);
                uint32_t colour = green << 16 | red << 8 | (uint32_t)mz_clip(y + to_blue, 0, 255);
                bits[colour >> 3] &= (uint8_t)~(1u << (colour & 7));
            }
        }
}
