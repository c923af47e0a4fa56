/* What the native library needs of a C library; WebAssembly has instructions for both. */
#ifndef MZ_STRING_H
#define MZ_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size);
void *memset(void *to, int value, size_t size);

#endif
