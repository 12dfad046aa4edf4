// Leaves a thread_local with a destructor on the host's threads.
#include "mini.h"
struct remembered {
    int value = 0;
    ~remembered() { value = -1; }
};
static thread_local remembered t_last;
static sigrun_result run(sigrun_instance*, const sigrun_probe_req*, const sigrun_sink*, sigrun_op op) {
    ++t_last.value;
    mini_host->complete(mini_host, op, SIGRUN_OK, nullptr);
    return SIGRUN_PENDING;
}
#define PROBE_RUN run
#include "mini_plugin.h"
