#include "ans.h"

int mz_decoder_start(mz_decoder *decoder, const uint32_t *words, int64_t count) {
    if (count < 0) return MZ_ERROR_ARGUMENT;
    decoder->state = 0;
    decoder->words = words;
    decoder->left = count;
    while (decoder->state >> 32 == 0 && decoder->left > 0)
        decoder->state = decoder->state << 32 | words[--decoder->left];
    return MZ_OK;
}

int mz_decoder_is_empty(const mz_decoder *decoder) { return decoder->state == 0 && decoder->left == 0; }

int mz_push(const mz_symbol *symbols, int64_t count, uint32_t *words, int64_t capacity, int64_t *used) {
    mz_decoder stack;
    if (mz_decoder_start(&stack, words, *used)) return MZ_ERROR_ARGUMENT;
    uint64_t state = stack.state;
    int64_t position = stack.left;
    for (int64_t i = count - 1; i >= 0; i--) {
        uint64_t width = symbols[i].width;
        if (width == 0 || symbols[i].low + width > (uint64_t)1 << MZ_SLOT_BITS) return MZ_ERROR_ARGUMENT;
        if (state >> (64 - MZ_SLOT_BITS) >= width) {
            if (position == capacity) return MZ_ERROR_SPACE;
            words[position++] = (uint32_t)state;
            state >>= 32;
        }
        state = (state / width) << MZ_SLOT_BITS | (state % width + symbols[i].low);
    }
    for (; state; state >>= 32) {
        if (position == capacity) return MZ_ERROR_SPACE;
        words[position++] = (uint32_t)state;
    }
    *used = position;
    return MZ_OK;
}

int mz_decode_uniform(mz_decoder *decoder, int32_t count, int64_t n, int32_t *values) {
    if (count < 1 || count > 65536 || n < 0) return MZ_ERROR_ARGUMENT;
    for (int64_t i = 0; i < n; i++) {
        /* Value v has the slots from ceil(v 2^24 / count) on. */
        uint32_t slot = mz_slot(decoder);
        uint32_t v = (uint32_t)(((uint64_t)slot * (uint32_t)count) >> MZ_SLOT_BITS);
        uint32_t low = (uint32_t)((((uint64_t)v << MZ_SLOT_BITS) + (uint32_t)count - 1) / (uint32_t)count);
        uint32_t high = (uint32_t)((((uint64_t)(v + 1) << MZ_SLOT_BITS) + (uint32_t)count - 1) / (uint32_t)count);
        values[i] = (int32_t)v;
        mz_take(decoder, slot, low, high - low);
    }
    return MZ_OK;
}

int mz_decode_bits(mz_decoder *decoder, const uint16_t *p_one, int64_t n, int32_t *bits) {
    if (n < 0) return MZ_ERROR_ARGUMENT;
    const uint32_t slots = 1u << MZ_SLOT_BITS;
    for (int64_t i = 0; i < n; i++) {
        /* Each has a slot at least, and the others as its probability says: 2^16 of them are certain. */
        uint32_t zero = (uint32_t)(((uint64_t)(65536 - p_one[i]) * (slots - 2)) >> 16) + 1, slot = mz_slot(decoder);
        bits[i] = slot >= zero;
        mz_take(decoder, slot, bits[i] ? zero : 0, bits[i] ? slots - zero : zero);
    }
    return MZ_OK;
}

int mz_decode_categories(mz_decoder *decoder, const int32_t *cdf, int32_t categories, int64_t n, int32_t *symbols) {
    if (categories < 2 || categories > 256 || n < 0) return MZ_ERROR_ARGUMENT;
    const int64_t shared = ((int64_t)1 << MZ_SLOT_BITS) - categories;
    for (int64_t i = 0; i < n; i++) {
        /* Category c has the slots from c + floor(cdf(c) shared / 2^20) on, up to those of c + 1. */
        const uint32_t slot = mz_slot(decoder);
        int64_t low = 0, high;
        for (int32_t c = 0;; c++, low = high) {
            int32_t below = c + 1 < categories ? cdf[c * n + i] : 1 << MZ_CDF_BITS;
            if (below < 0 || below > 1 << MZ_CDF_BITS) return MZ_ERROR_ARGUMENT;
            high = c + 1 + ((below * shared) >> MZ_CDF_BITS);
            if (high <= low) return MZ_ERROR_ARGUMENT;
            if (slot < high) {
                symbols[i] = c;
                break;
            }
        }
        mz_take(decoder, slot, (uint32_t)low, (uint32_t)(high - low));
    }
    return MZ_OK;
}
