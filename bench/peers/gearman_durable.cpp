// Keeps OUTSTANDING background echo jobs at a gearmand and measures from submit to the end of the work.
//   peer_gearman_durable PORT OUTSTANDING SECONDS     prints one line of JSON
// gearmand keeps only background jobs in its queue on disk, and those have no result: a job is done when the worker, a thread of
// this program, has done it. A job that was done lets the next one begin.
#include "closed_loop.hpp"

#include <libgearman/gearman.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>

namespace {

constexpr const char* k_function = "durable_echo";

/// When each job was sent, and how many are done.
struct ledger {
    std::mutex mutex;
    std::unordered_map<std::string, peers::clock::time_point> sent;
    peers::latencies seen;
    peers::clock::time_point last;
    std::atomic<std::uint64_t> done{0};
};

void* work(gearman_job_st* job, void* context, size_t* size, gearman_return_t* result) {
    auto& all = *static_cast<ledger*>(context);
    const std::string which(static_cast<const char*>(gearman_job_workload(job)), gearman_job_workload_size(job));
    *size = 0;
    *result = GEARMAN_SUCCESS;
    std::lock_guard lock(all.mutex);
    all.last = peers::clock::now();
    if (const auto at = all.sent.find(which); at != all.sent.end()) {
        all.seen.add(at->second, all.last);
        all.sent.erase(at);
        all.done.fetch_add(1);
    }
    return nullptr;
}

void work_until(std::atomic<bool>& over, int port, ledger& all) {
    gearman_worker_st* worker = gearman_worker_create(nullptr);
    gearman_worker_add_server(worker, "127.0.0.1", static_cast<in_port_t>(port));
    gearman_worker_add_function(worker, k_function, 0, work, &all);
    gearman_worker_set_timeout(worker, 100);
    while (!over) (void)gearman_worker_work(worker);
    gearman_worker_free(worker);
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = peers::parse_load(argc, argv, 1);
    gearman_client_st* client = gearman_client_create(nullptr);
    if (!client ||
        gearman_failed(gearman_client_add_server(client, "127.0.0.1", static_cast<in_port_t>(wanted.port)))) {
        std::fprintf(stderr, "gearman client: %s\n", client ? gearman_client_error(client) : "out of memory");
        return 1;
    }
    gearman_client_add_options(client, GEARMAN_CLIENT_FREE_TASKS);
    ledger all;
    std::atomic<bool> over{false};
    std::thread worker([&] { work_until(over, wanted.port, all); });
    const auto begin = all.last = peers::clock::now();
    const auto until =
        begin + std::chrono::duration_cast<peers::clock::duration>(std::chrono::duration<double>(wanted.seconds));
    std::uint64_t submitted = 0, errors = 0;
    const auto patience = until + std::chrono::seconds(30);
    for (auto now = begin; now < patience; now = peers::clock::now()) {
        const auto open = submitted - all.done.load();
        const auto room = static_cast<std::uint64_t>(wanted.outstanding) - open;
        if (now >= until && !open) break;
        if (now >= until || !room) {
            std::this_thread::sleep_for(std::chrono::microseconds(200));
            continue;
        }
        for (std::uint64_t i = 0; i < room; ++i) {
            const std::string which = std::to_string(++submitted);
            {
                std::lock_guard lock(all.mutex);
                all.sent[which] = peers::clock::now();
            }
            gearman_return_t result = GEARMAN_SUCCESS;
            gearman_client_add_task_background(client, nullptr, nullptr, k_function, which.c_str(), which.data(),
                                               which.size(), &result);
            errors += gearman_failed(result);
        }
        // Returns when the server has said of each that it has it, which is after it is in its database.
        if (gearman_failed(gearman_client_run_tasks(client))) ++errors;
    }
    over = true;
    worker.join();
    gearman_client_free(client);
    all.seen.print(std::chrono::duration<double>(all.last - begin).count(), errors + submitted - all.done.load());
    return 0;
}
