#include "kernel/serve/trace_json.hpp"

#include "kernel/base/clock.hpp"
#include "kernel/base/time_text.hpp"

#include <cmath>

namespace sigrun {

json::object trace_json(const pick_trace& t) {
    const auto rounded = [](double x) { return std::round(x * 1000) / 1000; };
    json::array candidates;
    for (const auto& c : t.candidates)
        candidates.push_back(json::object{{"runner", c.runner},
                                          {"picked", c.picked},
                                          {"tier", c.tier},
                                          {"in_flight", c.in_flight},
                                          {"places", c.places},
                                          {"score", c.score},
                                          {"relative_cost", rounded(c.relative_cost)},
                                          {"relative_time", rounded(c.relative_time)},
                                          {"success", rounded(c.success)},
                                          {"wait_us", std::round(c.wait_us)},
                                          {"samples", c.samples}});
    return {{"at", to_rfc3339(t.at_ns)},
            {"looked_at", t.looked_at},
            {"candidates", std::move(candidates)},
            {"jobs", json::object{{"samples", t.samples},
                                  {"mean_us", std::round(t.mean_exec_us)},
                                  {"p95_us", std::round(t.p95_exec_us)}}}};
}

}  // namespace sigrun
