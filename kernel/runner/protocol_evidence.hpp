// One protocol as seen on one runner: what a look at its endpoint found, and what its links are like. Guarded by the runner's
// mutex.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/runner/protocol_tier.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct protocol_evidence {
    bool supported = false;  // detected or linked
    bool up = false;         // a link is open now
    std::string version, reason;
    std::vector<std::string> features;
    std::uint64_t max_message_bytes = 0;  // 0 = not told
    tier_gauge gauge;
    std::int64_t latency_ns = 0;  // measured round trip, EWMA 0.1; 0 = not measured
    std::int64_t told_latency_ns = 0;  // as the fact has it
    std::uint32_t samples = 0;
    std::int64_t looked_ns = 0;    // wall clock: its endpoint was looked at
    std::int64_t verified_ns = 0;  // wall clock: something of it was answered
};

/// Takes over what a protocol plugin's detection answered. Returns the keys of what is not as it was known before, such as
/// proto.http.version. What comes from the outside is cut to a sane length.
std::vector<std::string> note_detected(protocol_evidence& seen, std::string_view protocol, const json::object& answer,
                                       std::int64_t wall_ns);
/// The look found nothing, because of `why`.
std::vector<std::string> note_absent(protocol_evidence& seen, std::string_view protocol, std::string_view why,
                                     std::int64_t wall_ns);

json::object protocol_record(std::string_view name, const protocol_evidence& seen);
/// As the fact `proto` has it: a record {name, supported, version, latency_us, tier, features, evidence, max_message_bytes} for
/// each protocol, without what is not known. Latency in microseconds, rounded up.
template <class Map>
json::array protocol_records(const Map& by_name) {
    json::array all;
    for (const auto& [name, seen] : by_name) all.emplace_back(protocol_record(name, seen));
    return all;
}

}  // namespace sigrun
