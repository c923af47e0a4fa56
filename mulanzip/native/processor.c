/* What this processor can do, and what its system lets us use. */
#define _DEFAULT_SOURCE /* syscall */

#include "layer.h"

#if MZ_X86
#include <cpuid.h>

enum { BIT_OSXSAVE = 27, BIT_AVX = 28 };                                     /* leaf 1, ecx */
enum { BIT_AVX2 = 5, BIT_AVX512F = 16, BIT_AVX512DQ = 17, BIT_AVX512BW = 30, BIT_AVX512VL = 31 }; /* leaf 7, ebx */
enum { BIT_VNNI = 11 };                                                      /* ecx */
enum { BIT_AMX_TILE = 24, BIT_AMX_INT8 = 25 };                               /* edx */

/* Registers that the system saves: XCR0. */
static const uint32_t STATE_AVX = 0x6, STATE_AVX512 = 0xe6, STATE_AMX = 0x60000;

static int has_bit(uint32_t x, int bit) { return x >> bit & 1; }

/* Compilers' own ways to ask were seen to lie, so the questions are asked here. */
static int has_x86(int32_t kernel) {
    uint32_t a, b, c, d, states, high;
    if (kernel == MZ_KERNEL_SIMD128) return 1;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_bit(c, BIT_OSXSAVE) || !has_bit(c, BIT_AVX)) return 0;
    __asm__ volatile("xgetbv" : "=a"(states), "=d"(high) : "c"(0));
    if ((states & STATE_AVX) != STATE_AVX || !__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    if (kernel == MZ_KERNEL_AVX2) return has_bit(b, BIT_AVX2);
    int vnni = (states & STATE_AVX512) == STATE_AVX512 && has_bit(b, BIT_AVX512F) && has_bit(b, BIT_AVX512DQ) &&
               has_bit(b, BIT_AVX512BW) && has_bit(b, BIT_AVX512VL) && has_bit(c, BIT_VNNI);
    if (kernel == MZ_KERNEL_AVX512) return vnni;
    return vnni && (states & STATE_AMX) == STATE_AMX && has_bit(d, BIT_AMX_TILE) && has_bit(d, BIT_AMX_INT8);
}
#endif

#if MZ_HAS_AMX
#include <sys/syscall.h>
#include <unistd.h>

/* A process gets these registers when it asks. */
static int may_use_amx(void) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}
#endif

#if MZ_HAS_NEON && defined(__linux__)
#include <sys/auxv.h>

static int has_dot_products(void) { return getauxval(AT_HWCAP) >> 20 & 1; }
#elif MZ_HAS_NEON && defined(_WIN32)
#include <windows.h>

static int has_dot_products(void) { return IsProcessorFeaturePresent(43); }
#elif MZ_HAS_NEON
/* All of Apple's. */
static int has_dot_products(void) { return 1; }
#endif

int mz_has_kernel(int32_t kernel) {
    switch (kernel) {
    case MZ_KERNEL_PORTABLE: return 1;
#if MZ_X86
    case MZ_KERNEL_SIMD128:
    case MZ_KERNEL_AVX2:
    case MZ_KERNEL_AVX512: return has_x86(kernel);
#elif MZ_HAS_SIMD128
    case MZ_KERNEL_SIMD128: return 1;
#endif
#if MZ_HAS_AMX
    case MZ_KERNEL_AMX: return has_x86(kernel) && may_use_amx();
#endif
#if MZ_HAS_NEON
    case MZ_KERNEL_NEON: return has_dot_products();
#endif
    default: return 0;
    }
}
