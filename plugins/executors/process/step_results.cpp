#include "step_results.hpp"

#include <boost/json.hpp>

#include <time.h>

#include <cstdio>
#include <utility>

namespace sigrun::process {
namespace {
namespace json = boost::json;

std::string rfc3339(std::uint64_t wall_ns) {
    const auto seconds = static_cast<time_t>(wall_ns / 1'000'000'000u);
    tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[64];
    const auto n = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    const int more =
        std::snprintf(text + n, sizeof text - n, ".%03uZ", static_cast<unsigned>(wall_ns / 1'000'000u % 1000u));
    return {text, n + static_cast<std::size_t>(more)};
}

json::object ended(const sigrun_shim_stepped& how) {
    const bool good = how.exit_code == 0 && how.signal == 0;
    json::object o{{"state", good ? "succeeded" : "failed"}, {"exit_code", nullptr}, {"signal", nullptr}};
    if (how.exit_code >= 0) o["exit_code"] = how.exit_code;
    if (how.signal > 0) o["signal"] = how.signal;
    o["started_at"] = rfc3339(how.began_ns);
    o["wall_ms"] = how.wall_ns / 1'000'000u;
    return o;
}

}  // namespace

bool has_steps(const std::vector<step>& steps) noexcept {
    return steps.size() > 1 || (!steps.empty() && !steps[0].name.empty());
}

std::string to_json(const std::vector<step>& steps, const step_progress& how) {
    json::array all;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        json::object one{{"name", steps[i].name}};
        if (i < how.ended.size())
            for (auto& member : ended(how.ended[i])) one.insert(std::move(member));
        else
            one["state"] = how.running == i ? "running" : how.over ? "skipped" : "waiting";
        all.push_back(std::move(one));
    }
    return json::serialize(all);
}

outcome with_steps(outcome how, const std::vector<step>& steps, std::vector<sigrun_shim_stepped> ended) {
    if (!has_steps(steps)) return how;
    auto o = json::parse(how.json).as_object();
    o["steps"] = json::parse(to_json(steps, {std::move(ended), {}, true}));
    how.json = json::serialize(o);
    return how;
}

}  // namespace sigrun::process
