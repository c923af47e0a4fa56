/* The hashes of files and models: BLAKE2b (RFC 7693), without a key, and SHA-256 (FIPS 180-4). */
#include <string.h>

#include "mulanzip_native.h"

MZ_API void mz_blake2b(const uint8_t *data, uint32_t size, uint8_t *digest, uint32_t digest_size);
MZ_API void mz_sha256(const uint8_t *data, uint32_t size, uint8_t *digest);

/* BLAKE2b */

enum { BLAKE2B_BLOCK = 128, BLAKE2B_ROUNDS = 12 };

static const uint64_t BLAKE2B_START[8] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};
static const uint8_t BLAKE2B_ORDER[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

static uint64_t turn64(uint64_t x, int bits) { return x >> bits | x << (64 - bits); }

static void mix(uint64_t *v, const int at[4], uint64_t x, uint64_t y) {
    uint64_t a = v[at[0]], b = v[at[1]], c = v[at[2]], d = v[at[3]];
    a += b + x;
    d = turn64(d ^ a, 32);
    c += d;
    b = turn64(b ^ c, 24);
    a += b + y;
    d = turn64(d ^ a, 16);
    c += d;
    b = turn64(b ^ c, 63);
    v[at[0]] = a, v[at[1]] = b, v[at[2]] = c, v[at[3]] = d;
}

static void add_blake2b_block(uint64_t state[8], const uint8_t *block, uint64_t counted, int is_last) {
    static const int places[8][4] = {{0, 4, 8, 12}, {1, 5, 9, 13}, {2, 6, 10, 14}, {3, 7, 11, 15},
                                     {0, 5, 10, 15}, {1, 6, 11, 12}, {2, 7, 8, 13}, {3, 4, 9, 14}};
    uint64_t words[16], v[16];
    memcpy(words, block, BLAKE2B_BLOCK); /* WebAssembly is little endian. */
    for (int i = 0; i < 8; i++) v[i] = state[i], v[i + 8] = BLAKE2B_START[i];
    v[12] ^= counted;
    if (is_last) v[14] = ~v[14];
    for (int round = 0; round < BLAKE2B_ROUNDS; round++) {
        const uint8_t *order = BLAKE2B_ORDER[round % 10];
        for (int i = 0; i < 8; i++) mix(v, places[i], words[order[2 * i]], words[order[2 * i + 1]]);
    }
    for (int i = 0; i < 8; i++) state[i] ^= v[i] ^ v[i + 8];
}

void mz_blake2b(const uint8_t *data, uint32_t size, uint8_t *digest, uint32_t digest_size) {
    uint64_t state[8];
    memcpy(state, BLAKE2B_START, sizeof state);
    state[0] ^= 0x01010000 ^ digest_size;
    uint32_t at = 0;
    for (; size - at > BLAKE2B_BLOCK; at += BLAKE2B_BLOCK)
        add_blake2b_block(state, data + at, (uint64_t)at + BLAKE2B_BLOCK, 0);
    uint8_t last[BLAKE2B_BLOCK] = {0};
    memcpy(last, data + at, size - at);
    add_blake2b_block(state, last, size, 1);
    memcpy(digest, state, digest_size);
}

/* SHA-256 */

static const uint32_t SHA256_START[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};
static const uint32_t SHA256_ROUNDS[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn32(uint32_t x, int bits) { return x >> bits | x << (32 - bits); }

static void add_sha256_block(uint32_t state[8], const uint8_t *block) {
    uint32_t w[64], v[8];
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 16; i++) {
        memcpy(&w[i], block + 4 * i, 4);
        w[i] = __builtin_bswap32(w[i]);
    }
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turn32(a, 7) ^ turn32(a, 18) ^ a >> 3) + w[i - 7] + (turn32(b, 17) ^ turn32(b, 19) ^ b >> 10);
    }
    for (int i = 0; i < 64; i++) {
        uint32_t a = v[0], e = v[4];
        uint32_t first = v[7] + (turn32(e, 6) ^ turn32(e, 11) ^ turn32(e, 25)) + ((e & v[5]) ^ (~e & v[6])) +
                         SHA256_ROUNDS[i] + w[i];
        uint32_t second = (turn32(a, 2) ^ turn32(a, 13) ^ turn32(a, 22)) + ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        for (int k = 7; k > 0; k--) v[k] = v[k - 1];
        v[4] += first;
        v[0] = first + second;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

void mz_sha256(const uint8_t *data, uint32_t size, uint8_t *digest) {
    uint32_t state[8], at = 0;
    memcpy(state, SHA256_START, sizeof state);
    for (; size - at >= 64; at += 64) add_sha256_block(state, data + at);
    uint8_t last[128] = {0};
    memcpy(last, data + at, size - at);
    last[size - at] = 0x80;
    uint32_t end = size - at < 56 ? 64 : 128;
    uint64_t bits = __builtin_bswap64((uint64_t)size * 8);
    memcpy(last + end - 8, &bits, 8);
    for (uint32_t i = 0; i < end; i += 64) add_sha256_block(state, last + i);
    for (int i = 0; i < 8; i++) {
        uint32_t word = __builtin_bswap32(state[i]);
        memcpy(digest + 4 * i, &word, 4);
    }
}
