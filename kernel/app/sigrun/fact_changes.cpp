#include "kernel/app/sigrun/fact_changes.hpp"

#include "kernel/app/sigrun/units.hpp"
#include "kernel/base/clock.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <map>

namespace sigrun::cli {
namespace {

struct shown {
    json::value value;
    std::string text;
};
using fact_map = std::map<std::string, shown>;

std::string reason_of(const fact& f) {
    std::string text = sdk::concat("(", to_string(f.status));
    if (!f.detail.empty()) text += ": " + f.detail;
    return text + ")";
}

void add(fact_map& to, const fact& f, std::string key, const json::value& value) {
    std::string text = fact_text(key, value);
    if (text.empty()) text = "\"\"";
    if (f.status == fact_status::stale) text += " (stale)";
    to[std::move(key)] = {value, std::move(text)};
}

fact_map flat(const capability_document& facts) {
    fact_map out;
    for (const fact& f : facts.facts()) {
        if (f.status != fact_status::ok && f.status != fact_status::stale) {
            out[f.key] = {nullptr, reason_of(f)};
            continue;
        }
        const json::array* list = f.value.if_array();
        if (!list || list->empty() || !list->front().is_object()) {
            add(out, f, f.key, f.value);
            continue;
        }
        for (std::size_t i = 0; i < list->size(); ++i) {
            const auto stem = sdk::concat(f.key, "[", i, "]");
            if (const json::object* record = (*list)[i].if_object())
                for (const auto& member : *record)
                    add(out, f, sdk::concat(stem, ".", std::string_view(member.key())), member.value());
            else
                add(out, f, stem, (*list)[i]);
        }
    }
    return out;
}

}  // namespace

std::vector<fact_change> changes_between(const capability_document& before, const capability_document& after) {
    std::vector<fact_change> out;
    auto old = flat(before);
    for (auto& [key, now] : flat(after)) {
        const auto was = old.find(key);
        if (was == old.end()) {
            out.push_back({'+', key, {}, now.text, nullptr, now.value});
        } else {
            if (was->second.value != now.value || was->second.text != now.text)
                out.push_back({'~', key, was->second.text, now.text, was->second.value, now.value});
            old.erase(was);
        }
    }
    for (auto& [key, was] : old) out.push_back({'-', key, was.text, {}, was.value, nullptr});
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    return out;
}

std::string line_of(const fact_change& change) {
    std::string out = sdk::concat(std::string(1, change.kind), " ", change.key, " ");
    if (change.kind == '~') return out + change.old + " -> " + change.now;
    return out + (change.kind == '+' ? change.now : change.old);
}

json::object to_json(const fact_change& change, std::int64_t wall_ns) {
    json::object out{{"at", to_rfc3339(wall_ns)}, {"change", std::string(1, change.kind)}, {"key", change.key}};
    if (change.kind != '+') out["old"] = change.old_value;
    if (change.kind != '-') out["new"] = change.new_value;
    if (change.new_value.is_null() && change.kind != '-') out["status"] = change.now;
    return out;
}

}  // namespace sigrun::cli
