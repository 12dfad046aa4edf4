#include "kernel/runner/protocol_evidence.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

constexpr std::size_t k_word = 64, k_sentence = 500, k_features = 32;

std::string cut(std::string_view text, std::size_t limit) { return std::string(text.substr(0, limit)); }

}  // namespace

std::vector<std::string> note_detected(protocol_evidence& seen, std::string_view protocol, const json::object& answer,
                                       std::int64_t wall_ns) {
    std::vector<std::string> changed;
    // What nobody knew is news only where a look has been before.
    const bool before = seen.looked_ns != 0;
    auto take = [&](auto& known, auto now, std::string_view key) {
        if (known == now) return;
        known = std::move(now);
        if (before) changed.push_back(sdk::concat("proto.", protocol, ".", key));
    };
    std::vector<std::string> features;
    if (const auto* list = array_or_null(answer, "features"))
        for (const auto& each : *list)
            if (each.is_string() && features.size() < k_features)
                features.push_back(cut(std::string_view(each.get_string()), k_word));
    take(seen.supported, true, "supported");
    take(seen.version, cut(text_or(answer, "version"), k_word), "version");
    take(seen.features, std::move(features), "features");
    take(seen.max_message_bytes, number_or<std::uint64_t>(answer, "max_message_bytes", 0), "max_message_bytes");
    if (!seen.up) seen.reason = cut(text_or(answer, "evidence"), k_sentence);
    const auto ns = static_cast<std::int64_t>(number_or<double>(answer, "latency_us", 0) * 1000);
    if (ns > 0) {
        if (!seen.samples) seen.latency_ns = ns;
        if (seen.gauge.window(nanoseconds(ns)) && before) changed.push_back(sdk::concat("proto.", protocol, ".tier"));
    }
    seen.looked_ns = seen.verified_ns = wall_ns;
    return changed;
}

std::vector<std::string> note_absent(protocol_evidence& seen, std::string_view protocol, std::string_view why,
                                     std::int64_t wall_ns) {
    std::vector<std::string> changed;
    seen.looked_ns = wall_ns;
    if (seen.up) return changed;  // a link that stands is the better evidence
    if (seen.supported) changed.push_back(sdk::concat("proto.", protocol, ".supported"));
    seen.supported = false;
    seen.reason = cut(why, k_sentence);
    return changed;
}

json::object protocol_record(std::string_view name, const protocol_evidence& seen) {
    json::object o{{"name", name}, {"supported", seen.supported}, {"evidence", seen.reason}};
    if (!seen.version.empty()) o["version"] = seen.version;
    if (seen.latency_ns) o["latency_us"] = (seen.latency_ns + 999) / 1000;
    if (seen.gauge.tier() != protocol_tier::unknown) o["tier"] = to_string(seen.gauge.tier());
    if (!seen.features.empty()) o["features"] = json::array(seen.features.begin(), seen.features.end());
    if (seen.max_message_bytes) o["max_message_bytes"] = seen.max_message_bytes;
    return o;
}

}  // namespace sigrun
