// Sends spans to a collector by OTLP/HTTP as JSON. Spans wait in a queue of fixed length; what finds it full is dropped and counted, and
// nobody ever waits for the collector. Threads of its own, which end with stop().
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/metrics/metrics.hpp"
#include "kernel/metrics/span.hpp"
#include "kernel/net/network.hpp"
#include "kernel/net/unique_fd.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace sigrun {

/// "http://127.0.0.1:4318/v1/traces", or https, whose certificate is checked against the system's authorities.
struct collector_address {
    std::string host;  // "name:port", "[2001:db8::1]:port"
    std::string path;
    bool tls = false;
};
result<collector_address> parse_collector(std::string_view url);

class span_exporter {
public:
    static constexpr std::size_t k_queue = 8192, k_batch = 512;

    span_exporter(collector_address to, trace_resource from, metrics& numbers);
    /// stop()
    ~span_exporter();

    /// [any] never blocks for the network. All of them, or (counted) none.
    void send(std::vector<trace_span> spans);
    /// What waits is tried once more, for two seconds at most. Idempotent.
    void stop();

private:
    enum class outcome { taken, refused, unreachable };
    void run(const std::stop_token& stop);
    unique_fd connect();
    outcome post(const std::string& body);

    const collector_address to_;
    const trace_resource from_;
    counter sent_, full_, refused_, lost_;
    std::mutex mutex_;
    std::condition_variable_any news_;
    std::deque<trace_span> waiting_;
    bool told_ = false;  // that the collector cannot be reached
    network connections_;
    std::jthread thread_;
};

}  // namespace sigrun
