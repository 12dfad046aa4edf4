// Any bytes as a recording of picks: refused with a text, or replayed on a view in which a balancer can read all that the
// view's own numbers promise.
#include "kernel/select/recording/replay.hpp"

#include <cstdio>
#include <cstdlib>

namespace {

using namespace sigrun;

/// Reads every word a balancer may read, and answers from them.
std::uint32_t read_all(void*, const sigrun_view* v, const sigrun_req* req, std::uint32_t n, const std::uint64_t* pages,
                       sigrun_pick* out) {
    std::uint64_t sum = req->rng;
    for (std::uint32_t s = 0; s < v->n_slots; ++s) sum += v->hot[s] ^ v->identity[s];
    for (std::uint32_t p = 0; p < v->n_pages; ++p) {
        sum += v->cohort[v->page_cohort[p]].places + (pages[p / 64] >> p % 64 & 1);
        for (const auto* plane : v->idle) sum += plane[p];
        for (int q = 0; v->level && q < SIGRUN_LEVELS; ++q) sum += v->level[q][p] + v->level_any[q][p / 64];
    }
    for (std::uint32_t z = 0; z < v->n_zones; ++z)
        sum += v->zone[z].exec_us + v->zone_rtt_us[z * SIGRUN_ZONES + v->zone_order[z * SIGRUN_ZONES]] + *v->waiting;
    for (std::uint32_t i = 0; i < n; ++i) {
        out[i] = {};
        out[i].n = 1;
        out[i].slot[0] = static_cast<std::uint32_t>(sum);
    }
    return n;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const auto who = picks::read_header(bytes);
    if (!who) {
        if (who.error().text().empty()) std::abort();
        return 0;
    }
    sigrun_balancer table{};
    table.struct_size = sizeof table;
    table.abi = 1;
    table.pick = read_all;
    const auto report = picks::replay(*who, bytes, &table, nullptr);
    if (!report) {
        if (report.error().text().empty()) std::abort();
        return 0;
    }
    if (report->equal > report->picks || (report->equal == report->picks) == report->first.has_value()) {
        std::fprintf(stderr, "picks_fuzz: the report disagrees with itself\n");
        std::abort();
    }
    return 0;
}
