/* Loaded into a daemon by log_durability_test.py: while the file $SIGRUN_TEST_DISK_GATE is there, nothing below a folder "logs"
 * reaches the disk, and whoever waits for it waits. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void pass_gate(int fd) {
    char link[64], path[4096];
    const char* gate = getenv("SIGRUN_TEST_DISK_GATE");
    ssize_t n;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || !gate) return;
    path[n] = 0;
    if (!strstr(path, "/logs")) return;
    while (access(gate, F_OK) == 0) usleep(5000);
}

#define SIGRUN_SLOW(name)                                           \
    int name(int fd) {                                              \
        int (*real)(int);                                           \
        *(void**)&real = dlsym(RTLD_NEXT, #name);                   \
        pass_gate(fd);                                              \
        return real(fd);                                            \
    }
SIGRUN_SLOW(fsync)
SIGRUN_SLOW(fdatasync)
SIGRUN_SLOW(syncfs)
