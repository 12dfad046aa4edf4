#include "kernel/net/span_exporter.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

TEST(collector_address, what_can_be_an_endpoint) {
    const auto told = [](std::string_view url) {
        const auto a = parse_collector(url);
        return a ? (a->tls ? "tls " : "") + a->host + " " + a->path : a.error().field;
    };
    EXPECT_EQ(told("http://127.0.0.1:4318/v1/traces"), "127.0.0.1:4318 /v1/traces");
    EXPECT_EQ(told("http://collector"), "collector:4318 /v1/traces");
    EXPECT_EQ(told("https://otel.example:443/x"), "tls otel.example:443 /x");
    EXPECT_EQ(told("http://[::1]:4000"), "[::1]:4000 /v1/traces");
    EXPECT_EQ(told("http://[::1]"), "[::1]:4318 /v1/traces");
    for (const std::string_view wrong : {"", "x", "grpc://x:4317", "http://", "http://:1",
                                         "http://x:", "http://x:70000", "http://x:1/a b", "http://x:1/\r\nA: b"})
        EXPECT_EQ(told(wrong), "trace.endpoint") << wrong;
}

TEST(span_exporter, a_collector_that_is_not_there_costs_bounded_memory_and_no_time) {
    metrics numbers;
    auto dropped = numbers.get_counter("sigrun_trace_spans_dropped_total",
                                       "Spans that did not reach the collector, by reason", {{"reason", "queue_full"}});
    auto lost = numbers.get_counter("sigrun_trace_spans_dropped_total",
                                    "Spans that did not reach the collector, by reason", {{"reason", "unreachable"}});
    constexpr std::size_t k_sent = 3 * span_exporter::k_queue;
    {
        span_exporter exporter({"127.0.0.1:1", "/v1/traces", false}, {}, numbers);
        for (std::size_t i = 0; i < k_sent; ++i) exporter.send({{"t", "s", "", "n"}});
        // One batch may be on its way beside what waits.
        EXPECT_GE(dropped.value(), static_cast<double>(k_sent - span_exporter::k_queue - span_exporter::k_batch));
    }
    EXPECT_EQ(dropped.value() + lost.value(), static_cast<double>(k_sent));
}

TEST(otlp, what_is_failed_and_what_is_said_of_it) {
    trace_span s{"0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", "", "n"};
    s.begin_ns = 1;
    s.end_ns = 9'007'199'254'740'993;  // no double has it
    s.failed = true;
    s.message = "a \"b\"";
    s.texts = {{"k", "v\n"}};
    s.numbers = {{"n", -5}};
    const std::vector<trace_span> spans{s};
    const auto text = otlp_json({"svc", "1", "i"}, spans);
    EXPECT_NE(text.find(R"("endTimeUnixNano":"9007199254740993")"), std::string::npos) << text;
    EXPECT_NE(text.find(R"({"key":"n","value":{"intValue":"-5"}})"), std::string::npos) << text;
    EXPECT_NE(text.find(R"("status":{"message":"a \"b\"","code":2})"), std::string::npos) << text;
    EXPECT_EQ(text.find("parentSpanId"), std::string::npos);
}

}  // namespace
}  // namespace sigrun
