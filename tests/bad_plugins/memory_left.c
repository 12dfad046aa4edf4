/* Leaves 256 KiB behind with each load. */
#include "mini.h"
static void take(void) {
    char* room = (char*)malloc(256 * 1024);
    if (room) memset(room, 1, 256 * 1024);
    __asm__ volatile("" : : "r"(room) : "memory");
}
#define AT_LOAD take();
#include "mini_plugin.h"
