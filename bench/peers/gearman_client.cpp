// Keeps OUTSTANDING foreground echo jobs at a gearmand and measures from submit to result.
//   peer_gearman_client PORT OUTSTANDING SECONDS     prints one line of JSON
// A finished task adds the next one from its callback, so the number in flight stays the same until the time
// is up.
#include "closed_loop.hpp"

#include <libgearman/gearman.h>

#include <string_view>

namespace {

constexpr std::string_view k_payload = "hello";

struct loop {
    gearman_client_st* client = nullptr;
    peers::latencies seen;
    peers::clock::time_point begin, until, last;
    std::uint64_t errors = 0;
    std::uint64_t added = 0;
};
struct slot {
    loop* owner;
    peers::clock::time_point sent;
};

gearman_return_t add(slot& s) {
    gearman_return_t result = GEARMAN_SUCCESS;
    // The unique id is the caller's choice; without one libgearman makes a UUID for each job.
    char unique[24];
    std::snprintf(unique, sizeof unique, "%llu", static_cast<unsigned long long>(++s.owner->added));
    s.sent = peers::clock::now();
    gearman_client_add_task(s.owner->client, nullptr, &s, "echo", unique, k_payload.data(), k_payload.size(), &result);
    return result;
}

gearman_return_t on_complete(gearman_task_st* task) {
    auto& s = *static_cast<slot*>(gearman_task_context(task));
    loop& all = *s.owner;
    const auto now = peers::clock::now();
    const std::string_view answer(static_cast<const char*>(gearman_task_data(task)), gearman_task_data_size(task));
    if (answer == k_payload)
        all.seen.add(s.sent, now);
    else
        ++all.errors;
    all.last = now;
    return now < all.until ? add(s) : GEARMAN_SUCCESS;
}

gearman_return_t on_fail(gearman_task_st* task) {
    ++static_cast<slot*>(gearman_task_context(task))->owner->errors;
    return GEARMAN_SUCCESS;
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = peers::parse_load(argc, argv, 1);
    loop all;
    all.client = gearman_client_create(nullptr);
    if (!all.client ||
        gearman_failed(gearman_client_add_server(all.client, "127.0.0.1", static_cast<in_port_t>(wanted.port)))) {
        std::fprintf(stderr, "gearman client: %s\n", all.client ? gearman_client_error(all.client) : "out of memory");
        return 1;
    }
    gearman_client_add_options(all.client, GEARMAN_CLIENT_FREE_TASKS);
    gearman_client_set_complete_fn(all.client, on_complete);
    gearman_client_set_fail_fn(all.client, on_fail);
    std::vector<slot> slots(static_cast<std::size_t>(wanted.outstanding), slot{&all, {}});
    all.begin = all.last = peers::clock::now();
    all.until =
        all.begin + std::chrono::duration_cast<peers::clock::duration>(std::chrono::duration<double>(wanted.seconds));
    for (auto& s : slots)
        if (gearman_failed(add(s))) ++all.errors;
    if (gearman_failed(gearman_client_run_tasks(all.client))) {
        std::fprintf(stderr, "gearman client: %s\n", gearman_client_error(all.client));
        return 1;
    }
    all.seen.print(std::chrono::duration<double>(all.last - all.begin).count(), all.errors);
    gearman_client_free(all.client);
    return 0;
}
