// One span of a trace, and spans as OTLP writes them (opentelemetry-proto, ExportTraceServiceRequest in the JSON mapping of OTLP/HTTP).
// Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun {

struct trace_span {
    std::string trace_id;  // 32 hexadecimal digits
    std::string id;        // 16
    std::string parent;    // 16; empty: it is the root
    std::string name;
    enum class kind : std::uint8_t {
        internal = 1,
        server = 2,
        client = 3,
        producer = 4,
        consumer = 5
    } what = kind::internal;
    std::int64_t begin_ns = 0, end_ns = 0;  // wall clock
    bool failed = false;
    std::string message{};  // of a failed one
    std::vector<std::pair<std::string, std::string>> texts{};
    std::vector<std::pair<std::string, std::int64_t>> numbers{};
};

/// Who sends them.
struct trace_resource {
    std::string service = "sigrund", version, instance;
};

std::string otlp_json(const trace_resource& from, std::span<const trace_span> spans);

}  // namespace sigrun
