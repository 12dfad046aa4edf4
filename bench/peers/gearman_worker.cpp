// A gearman worker that echoes: one job at a time, as libgearman's workers work. Runs until killed.
//   peer_gearman_worker PORT
#include <libgearman/gearman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

void* echo(gearman_job_st* job, void*, size_t* size, gearman_return_t* result) {
    *size = gearman_job_workload_size(job);
    void* copy = std::malloc(*size ? *size : 1);  // libgearman frees it
    if (!copy) {
        *result = GEARMAN_WORK_FAIL;
        return nullptr;
    }
    std::memcpy(copy, gearman_job_workload(job), *size);
    *result = GEARMAN_SUCCESS;
    return copy;
}

}  // namespace

int main(int argc, char** argv) {
    const int port = argc == 2 ? std::atoi(argv[1]) : 0;
    if (port < 1 || port > 65535) {
        std::fprintf(stderr, "expected: PORT (1..65535)\n");
        return 2;
    }
    gearman_worker_st* worker = gearman_worker_create(nullptr);
    if (!worker || gearman_failed(gearman_worker_add_server(worker, "127.0.0.1", static_cast<in_port_t>(port))) ||
        gearman_failed(gearman_worker_add_function(worker, "echo", 0, echo, nullptr))) {
        std::fprintf(stderr, "gearman worker: %s\n", worker ? gearman_worker_error(worker) : "out of memory");
        return 1;
    }
    for (;;) {
        if (gearman_failed(gearman_worker_work(worker))) {
            std::fprintf(stderr, "gearman worker: %s\n", gearman_worker_error(worker));
            return 1;
        }
    }
}
