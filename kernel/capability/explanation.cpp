#include "kernel/capability/explanation.hpp"

#include "kernel/capability/probe_answer.hpp"
#include "kernel/capability/probe_lane.hpp"

#include <sigrun/cpp/text.hpp>
#include <sigrun/cpp/word_distance.hpp>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>
#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_longest_asked = 256;

bool failed_pattern(const fact& f) { return f.key.ends_with('*'); }

/// "nic[3].mtu" of the fact "nic": 3 and "mtu".
struct place_in_list {
    std::size_t index = 0;
    std::string_view field;  // empty: the whole record
};
std::optional<place_in_list> place_of(std::string_view asked, std::string_view key) {
    if (!asked.starts_with(key)) return std::nullopt;
    asked.remove_prefix(key.size());
    if (!asked.starts_with('[')) return std::nullopt;
    place_in_list out;
    const char* end = asked.data() + asked.size();
    const auto [stop, ec] = std::from_chars(asked.data() + 1, end, out.index);
    if (ec != std::errc{} || stop == end || *stop != ']') return std::nullopt;
    asked.remove_prefix(static_cast<std::size_t>(stop - asked.data()) + 1);
    if (asked.empty()) return out;
    if (!asked.starts_with('.') || asked.size() == 1) return std::nullopt;
    out.field = asked.substr(1);
    return out;
}

/// The fact as the field of one of its records; nothing if its list has no such record or field.
std::optional<fact> field_of(const fact& f, std::string_view asked, const place_in_list& at) {
    const json::array* list = f.value.if_array();
    if (!list || at.index >= list->size()) return std::nullopt;
    const json::value* value = &(*list)[at.index];
    if (!at.field.empty()) {
        const json::object* record = value->if_object();
        value = record ? record->if_contains(at.field) : nullptr;
    }
    if (!value) return std::nullopt;
    fact out = f;
    out.key = asked;
    out.value = *value;
    return out;
}

std::string why_it_counts(const explained_key& key) {
    const fact& winner = key.answers.front().what;
    const auto n = key.answers.size();
    if (n == 1) return "the only answer";
    if (winner.method == "declared" && winner.status == fact_status::ok) return "the operator declares it";
    const fact& second = key.answers[1].what;
    if (second.status != fact_status::ok && winner.status == fact_status::ok) return "the only one with a value";
    if (winner.confidence > second.confidence)
        return sdk::concat("the surest of ", n, " answers: ", winner.confidence, " before ", second.confidence);
    return sdk::concat("as sure as the next of ", n, " answers, and its probe's name is the later one");
}

void put_in_order(explained_key& key) {
    // The merge goes through the probes by name and keeps the better one, so the last of equals comes first here.
    std::reverse(key.answers.begin(), key.answers.end());
    std::stable_sort(key.answers.begin(), key.answers.end(), [](const explained_answer& a, const explained_answer& b) {
        return better(a.what, b.what) && !better(b.what, a.what);
    });
    key.answers.front().why = why_it_counts(key);
    for (std::size_t i = 1; i < key.answers.size(); ++i) {
        auto& other = key.answers[i];
        other.why = other.what.status == fact_status::ok ? "another answer counts" : "it has no value";
    }
}

std::string nearest_key(const std::vector<probe_evidence>& all, std::string_view asked) {
    std::set<std::string> names;
    for (const auto& probe : all)
        for (const fact& f : probe.facts) {
            if (failed_pattern(f)) continue;
            names.insert(f.key);
            const json::array* list = f.value.if_array();
            const json::object* first = list && !list->empty() ? list->front().if_object() : nullptr;
            if (!first) continue;
            names.insert(f.key + "[0]");
            for (const auto& member : *first) names.insert(sdk::concat(f.key, "[0].", std::string_view(member.key())));
        }
    std::string best;
    std::size_t least = asked.size();  // farther than that it has nothing in common
    for (const auto& name : names)
        if (const auto d = sdk::word_distance(asked, name); d < least) least = d, best = name;
    return best;
}

}  // namespace

result<std::vector<explained_key>> explain(const std::vector<probe_evidence>& all, std::string_view asked) {
    if (asked.size() > k_longest_asked)
        return bad_value("key", "at most 256 bytes", std::to_string(asked.size()) + " bytes");
    std::string_view name = asked == "os.arch" ? "host.arch" : asked;
    if (name.ends_with('*')) name.remove_suffix(1);
    std::map<std::string, explained_key> exact, below, failures;
    const auto add = [](auto& to, const probe_evidence& probe, fact what) {
        auto& key = to[what.key];
        key.key = what.key;
        key.answers.push_back({&probe, std::move(what), {}});
    };
    for (const auto& probe : all)
        for (const fact& f : probe.facts) {
            if (failed_pattern(f)) {
                if (key_matches(f.key, name)) add(failures, probe, f);
            } else if (f.key == name) {
                add(exact, probe, f);
            } else if (const auto at = place_of(name, f.key)) {
                if (auto field = field_of(f, name, *at)) add(exact, probe, std::move(*field));
            } else if (!name.empty() && f.key.starts_with(name)) {
                add(below, probe, f);
            }
        }
    auto& found = !exact.empty() ? exact : !below.empty() ? below : failures;
    if (found.empty()) {
        const auto nearest = nearest_key(all, name);
        return problem{errc::not_found, "no fact has this key, nor begins so", "key",
                       nearest.empty() ? "a key that sigrun probe lists" : nearest, std::string(asked)};
    }
    std::vector<explained_key> out;
    for (auto& [key, one] : found) {
        put_in_order(one);
        out.push_back(std::move(one));
    }
    return out;
}

json::object to_json(const explained_key& key, const std::string& sysroot, std::int64_t wall_ns) {
    json::array answers;
    for (const auto& a : key.answers) {
        auto o = to_json(a.what);
        o["probe"] = a.probe->probe;
        o["plugin"] = a.probe->plugin;
        o["rule"] = json::object{{"keys", json::array(a.probe->keys.begin(), a.probe->keys.end())},
                                 {"about", a.probe->about},
                                 {"isolated", a.probe->isolated},
                                 {"soft_ms", a.probe->soft_ms},
                                 {"hard_ms", a.probe->hard_ms}};
        o["why"] = a.why;
        o["age_s"] = static_cast<double>(std::max<std::int64_t>(wall_ns - a.what.observed_ns, 0)) / 1e9;
        if (auto raw = raw_text(sysroot, a.what.source, a.what.key)) o["raw"] = std::move(*raw);
        answers.emplace_back(std::move(o));
    }
    return {{"key", key.key}, {"answers", std::move(answers)}};
}

}  // namespace sigrun
