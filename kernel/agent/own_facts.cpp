#include "kernel/agent/own_facts.hpp"

#include "kernel/base/clock.hpp"
#include "kernel/capability/probe_lane.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::string_view k_own = "runner.";

bool in_use(const plugin_info& p) {
    return p.active && std::any_of(p.components.begin(), p.components.end(),
                                   [](const component_info& c) { return !c.instances.empty(); });
}

json::array plugin_versions(const plugin_host& host) {
    auto all = host.plugins();
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.id < b.id; });
    json::array out;
    for (const auto& p : all)
        if (in_use(p)) out.push_back(json::object{{"name", p.id}, {"version", p.version}});
    return out;
}

fact declared(std::string key, json::value value, fact_volatility how_long) {
    fact f;
    f.key = std::move(key);
    f.value = std::move(value);
    f.volatility = how_long;
    f.observed_ns = clock::system().wall_ns();
    f.method = "declared";
    f.source = "sigrun-runner";
    return f;
}

bool failed(const fact& f) { return f.status == fact_status::timeout || f.status == fact_status::error; }

}  // namespace

std::vector<fact> own_facts(const plugin_host& host, const std::string& name, std::uint32_t slots,
                            const std::vector<std::string>& kinds) {
    std::vector<fact> own;
    own.push_back(declared("runner.name", json::string(name), fact_volatility::fixed));
    own.back().unique = true;
    own.push_back(declared("runner.slots", slots, fact_volatility::fixed));
    // Not a property of the machine's class: while a fleet gets a new version, equal machines stay equal.
    own.push_back(declared("runner.plugins", plugin_versions(host), fact_volatility::slow));
    own.push_back(declared("runner.kinds", json::array(kinds.begin(), kinds.end()), fact_volatility::boot));
    return own;
}

std::vector<fact> signature_facts(const std::vector<std::string>& keys) {
    return {declared("runner.signed_jobs_only", true, fact_volatility::boot),
            declared("runner.job_keys", json::array(keys.begin(), keys.end()), fact_volatility::slow)};
}

std::vector<fact> renewed_facts(const capability_document& known, const capability_document& found) {
    std::vector<fact> all;
    for (const auto& old : known.facts()) {
        if (old.key.starts_with(k_own) || failed(old)) continue;
        auto asked_in_vain = [&](const fact& f) { return failed(f) && key_matches(f.key, old.key); };
        if (std::any_of(found.facts().begin(), found.facts().end(), asked_in_vain)) all.push_back(old);
    }
    // A key that is answered now is answered better than before.
    std::erase_if(all, [&](const fact& old) {
        const fact* now = found.find(old.key);
        return now && !failed(*now);
    });
    for (const auto& f : found.facts()) {
        auto known_before = [&](const fact& old) { return failed(f) && key_matches(f.key, old.key); };
        if (std::none_of(all.begin(), all.end(), known_before)) all.push_back(f);
    }
    return all;
}

}  // namespace sigrun
