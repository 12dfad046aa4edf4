/* Forks in a static constructor. */
#include "mini.h"

#include <unistd.h>
__attribute__((constructor)) static void begin(void) {
    if (fork() == 0)
        for (;;) pause();
}
#include "mini_plugin.h"
