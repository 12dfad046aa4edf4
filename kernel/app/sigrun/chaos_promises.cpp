#include "kernel/app/sigrun/chaos_promises.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>
#include <cstdio>

namespace sigrun::cli {
namespace {

constexpr int k_infrastructure_retries = 100;

std::string_view without_common_beginning(std::string_view text, std::string_view with) {
    const auto [rest, other] = std::mismatch(text.begin(), text.end(), with.begin(), with.end());
    return text.substr(static_cast<std::size_t>(rest - text.begin()));
}

std::string cut(std::string_view text) {
    constexpr std::size_t k_most = 60;
    return json::serialize(json::string(text.substr(0, k_most))) + (text.size() > k_most ? "..." : "");
}

}  // namespace

json::object chaos_job::document() const {
    char pause[32];
    std::snprintf(pause, sizeof pause, "%.3f", seconds);
    const std::string script = sdk::concat("echo attempt $SIGRUN_ATTEMPT; i=1; while [ $i -le ", lines,
                                           " ]; do echo line $i; i=$((i+1)); done; sleep ", pause, "; echo end");
    json::object out{{"command", json::array{"sh", "-c", script}},
                     {"retry", json::object{{"infrastructure", k_infrastructure_retries}}}};
    if (!requires_text.empty()) out["requires"] = requires_text;
    return out;
}

std::string chaos_job::output(std::uint64_t number) const {
    std::string out = sdk::concat("attempt ", number, "\n");
    for (int i = 1; i <= lines; ++i) out += sdk::concat("line ", i, "\n");
    return out + "end\n";
}

bool has_ended(const json::object& record) {
    static constexpr std::array<std::string_view, 5> k_ends{"succeeded", "failed", "cancelled", "expired", "dead"};
    return std::find(k_ends.begin(), k_ends.end(), text_or(record, "state")) != k_ends.end();
}

bool same_end(const json::object& told, const json::object& now) {
    static constexpr std::array<std::string_view, 4> k_facts{"state", "exit_code", "finished_at", "log_bytes"};
    return std::all_of(k_facts.begin(), k_facts.end(), [&](std::string_view fact) {
        const auto *before = told.if_contains(fact), *after = now.if_contains(fact);
        return before && after && *before == *after;
    });
}

std::vector<std::string> chaos_job::broken(const json::object& record, std::string_view log) const {
    std::vector<std::string> out;
    const std::string state(text_or(record, "state"));
    if (state != "succeeded" || number_or<int>(record, "exit_code", -1) != 0) {
        const auto* why = object_or_null(record, "failure");
        out.push_back("it is " + state + (why ? ": " + std::string(text_or(*why, "message")) : std::string()));
        return out;
    }
    const auto* attempts = array_or_null(record, "attempts");
    if (!attempts || attempts->empty()) return {"it has succeeded without an attempt"};
    const auto accepted = std::count_if(attempts->begin(), attempts->end(), [](const json::value& each) {
        return each.is_object() && text_or(each.get_object(), "state") == "succeeded";
    });
    const auto* last = attempts->back().if_object();
    if (accepted != 1 || !last || text_or(*last, "state") != "succeeded")
        out.push_back(sdk::concat("of its ", attempts->size(), " attempts ", accepted,
                                  " were accepted, expected the last one alone"));
    if (const auto said = number_or<std::uint64_t>(record, "log_bytes", 0); said != log.size())
        out.push_back(sdk::concat("its output has ", log.size(), " bytes, log_bytes says ", said));
    if (!last) return out;
    const auto number = number_or<std::uint64_t>(*last, "number", 0);
    const std::string expected = output(number);
    if (!log.ends_with(expected)) {
        out.push_back(sdk::concat("its output does not end with the ", expected.size(), " bytes that attempt ", number,
                                  " printed; it begins with ", cut(log)));
        return out;
    }
    // Before it stand beginnings of what the attempts that were given up had printed.
    std::string_view before = log.substr(0, log.size() - expected.size());
    for (std::uint64_t earlier = 1; earlier < number; ++earlier)
        before = without_common_beginning(before, output(earlier));
    if (!before.empty()) out.push_back("its output has what no attempt printed: " + cut(before));
    return out;
}

}  // namespace sigrun::cli
