// Goal 7: bytes per runner, as the system counts them for a process that builds such an index.
#include "bench/select/fleet.hpp"
#include "bench/select/goals.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

namespace sigrun::bench {
namespace {

std::size_t resident_bytes() {
    std::size_t total = 0, resident = 0;
    std::FILE* f = std::fopen("/proc/self/statm", "r");
    if (!f || std::fscanf(f, "%zu %zu", &total, &resident) != 2) resident = 0;
    if (f) std::fclose(f);
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// Facts and labels are shared by the runners of a kind and are there before: what is counted is the index.
double index_bytes(std::uint32_t n, const std::string& balancer) {
    std::vector<sheet_ptr> documents;
    for (int kind = 0; kind < 40; ++kind) documents.push_back(document(kind));
    std::vector<std::shared_ptr<const label_map>> labels;
    for (const char* zone : {"eu", "us"})
        labels.push_back(std::make_shared<const label_map>(label_map{{"zone", zone}}));
    const auto instance = plugin_balancer(balancer);
    const std::size_t before = resident_bytes();
    selector::options o;
    o.max_runners = n;
    o.default_balancer = balancer;
    const auto index = selector::create(o, {instance}).value();
    for (std::uint32_t i = 0; i < n; ++i) {
        runner_profile p;
        p.facts = documents[i % 40];
        p.labels = labels[i / 40 % 2];
        p.protocols = static_cast<protocol_mask>(i % 3 ? 0b0101 : 0b0100);
        p.places = static_cast<std::uint16_t>(1 << i % 4);
        p.identity = i + 1;
        index->set_open(index->add(p).value(), true);
    }
    const auto all = index->intern(requirement::compile(k_requirement).value());
    pick_request q;
    q.pred = all.get();
    for (int i = 0; i < 1000; ++i) index->release(index->pick(q).slot);
    return static_cast<double>(resident_bytes() - before) / n;
}

/// In a process of its own: what others left behind would count.
double in_child(std::uint32_t n, const std::string& balancer) {
    int ends[2];
    if (::pipe(ends)) return 0;
    const pid_t pid = ::fork();
    if (!pid) {
        const double bytes = index_bytes(n, balancer);
        const bool told = ::write(ends[1], &bytes, sizeof bytes) == static_cast<ssize_t>(sizeof bytes);
        ::_exit(told ? 0 : 1);
    }
    ::close(ends[1]);
    double bytes = 0;
    if (::read(ends[0], &bytes, sizeof bytes) != static_cast<ssize_t>(sizeof bytes)) bytes = 0;
    ::close(ends[0]);
    int status = 0;
    ::waitpid(pid, &status, 0);
    return bytes;
}

}  // namespace

void report_memory(const goal_options& o) {
    const double hot = sizeof(std::uint64_t) + SIGRUN_TIERS / 8.0, levels = SIGRUN_LEVELS / 8.0;
    report("7  bytes per runner on the hot path: word, bit per tier", {hot}, {16}, "B");
    report("7  the same where a balancer asks for levels", {hot + levels}, {16}, "B");
    for (const std::string& name : o.balancers) {
        std::vector<double> bytes;
        for (const std::uint32_t n : o.runners) bytes.push_back(in_child(n, name));
        report("7  " + name + ": index per runner, resident", bytes, std::vector<double>(bytes.size(), 400), "B");
    }
}

}  // namespace sigrun::bench
