// stats.history: what the daemon did of late, for charts.
#include "kernel/base/quantity.hpp"
#include "kernel/serve/history.hpp"
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"

namespace sigrun {
namespace {

constexpr nanoseconds k_shortest_window = std::chrono::seconds(1), k_longest_window = std::chrono::hours(24);

history_reading read_history(controller& c) {
    history_reading now;
    now.at = c.time.now();
    now.jobs = c.jobs.totals();
    now.picks = c.select.pick_times();
    now.waiting = c.jobs.waiting();
    const auto [retries, others] = c.jobs.retries();
    now.under_way = std::uint64_t{retries} + others;
    now.runners = c.runners.by_status();
    std::size_t i = 0;
    for (const auto* traffic : c.plugins.traffic().all()) {
        if (i == history_reading::k_protocols) break;
        now.protocols[i++] = {traffic->in.bytes.load(std::memory_order_relaxed),
                              traffic->out.bytes.load(std::memory_order_relaxed),
                              traffic->calls.load(std::memory_order_relaxed), traffic->answers.snapshot()};
    }
    return now;
}

std::vector<std::string> protocols_of(controller& c) {
    std::vector<std::string> out;
    for (const auto* traffic : c.plugins.traffic().all()) out.push_back(traffic->name);
    return out;
}

std::vector<std::string> beginnings(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (comma != 0) out.emplace_back(list.substr(0, comma));
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    return out;
}

}  // namespace

std::shared_ptr<history> make_history(controller& c, nanoseconds step) {
    return std::make_shared<history>(
        c.timers,
        history::sources{[&c] { return read_history(c); }, [&c] { return protocols_of(c); },
                         [&c] { return c.time.wall_ns(); }},
        step);
}

void add_history_methods(router& r, std::shared_ptr<history> past) {
    r.add("stats.history",
          plain({"window", "series"}, [past](const json::object& o, const call_input&, const call_ptr& call) {
              const auto window = duration_param(o, "window", std::chrono::hours(1));
              if (!window) return void(call->fail(window.error()));
              if (*window < k_shortest_window || *window > k_longest_window)
                  return void(call->fail(bad_value("window", "a duration from 1s to 24h", format_duration(*window))));
              call->last(past->document(*window, beginnings(text_or(o, "series"))));
          }));
}

}  // namespace sigrun
