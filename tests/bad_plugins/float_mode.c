/* Switches denormal numbers off for the thread that loads it, as code linked with -ffast-math does. */
#include "mini.h"
#ifdef __x86_64__
#include <xmmintrin.h>
__attribute__((constructor)) static void begin(void) { _mm_setcsr(_mm_getcsr() | 0x8040); }
#else
#include <fenv.h>
__attribute__((constructor)) static void begin(void) { fesetround(FE_UPWARD); }
#endif
#include "mini_plugin.h"
