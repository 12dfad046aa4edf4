/* Starts a thread in a static constructor. */
#include "mini.h"

#include <pthread.h>
#include <unistd.h>
static void* wait_for_ever(void* p) {
    for (;;) pause();
    return p;
}
__attribute__((constructor)) static void begin(void) {
    pthread_t t;
    pthread_create(&t, NULL, wait_for_ever, NULL);
}
#include "mini_plugin.h"
