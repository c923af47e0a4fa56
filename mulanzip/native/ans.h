/* rANS with 24-bit probabilities, a 64-bit state and 32-bit words: docs/format.md, "Coder". */
#ifndef MZ_ANS_H
#define MZ_ANS_H

#include "integers.h"
#include "mulanzip_native.h"

MZ_INLINE uint32_t mz_slot(const mz_decoder *decoder) { return (uint32_t)decoder->state & ((1u << MZ_SLOT_BITS) - 1); }

/* Take the symbol low..low + width - 1 that holds the present slot. */
MZ_INLINE void mz_take(mz_decoder *decoder, uint32_t slot, uint32_t low, uint32_t width) {
    decoder->state = (decoder->state >> MZ_SLOT_BITS) * width + (slot - low);
    if (decoder->state >> 32 == 0 && decoder->left > 0)
        decoder->state = decoder->state << 32 | decoder->words[--decoder->left];
}

#endif
