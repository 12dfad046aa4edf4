/* Never comes back from a static constructor. */
#include "mini.h"

#include <unistd.h>
__attribute__((constructor)) static void begin(void) {
    for (;;) pause();
}
#include "mini_plugin.h"
