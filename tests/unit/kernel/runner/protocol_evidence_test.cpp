#include "kernel/runner/protocol_evidence.hpp"

#include <gtest/gtest.h>

namespace sigrun {
namespace {

using keys = std::vector<std::string>;

json::object answer(const char* text) { return json::parse(text).as_object(); }

TEST(protocol_evidence, a_first_look_is_taken_over_and_is_no_change) {
    protocol_evidence seen;
    const auto changed = note_detected(
        seen, "websocket",
        answer(R"({"supported":true,"version":"sigrun.v1","latency_us":42.5,"features":["permessage-deflate"],
                   "max_message_bytes":1048576,"evidence":"the upgrade was answered"})"),
        77);
    EXPECT_EQ(changed, keys{});
    EXPECT_TRUE(seen.supported);
    EXPECT_EQ(seen.version, "sigrun.v1");
    EXPECT_EQ(seen.features, keys{"permessage-deflate"});
    EXPECT_EQ(seen.max_message_bytes, 1048576u);
    EXPECT_EQ(seen.latency_ns, 42'500);
    EXPECT_EQ(seen.gauge.tier(), protocol_tier::high);
    EXPECT_EQ(seen.looked_ns, 77);
    EXPECT_EQ(seen.verified_ns, 77);
}

TEST(protocol_evidence, what_is_different_at_the_next_look_is_named) {
    protocol_evidence seen;
    note_detected(seen, "http", answer(R"({"supported":true,"version":"HTTP/1.1","features":["sessions"]})"), 1);
    EXPECT_EQ(note_detected(seen, "http", answer(R"({"version":"HTTP/1.1","features":["sessions"]})"), 2), keys{});
    EXPECT_EQ(note_detected(seen, "http", answer(R"({"version":"HTTP/1.0","features":[],"max_message_bytes":5})"), 3),
              (keys{"proto.http.version", "proto.http.features", "proto.http.max_message_bytes"}));
    EXPECT_EQ(note_absent(seen, "http", "refused", 4), keys{"proto.http.supported"});
    EXPECT_EQ(note_absent(seen, "http", "refused", 5), keys{});
    EXPECT_EQ(seen.reason, "refused");
    EXPECT_EQ(seen.verified_ns, 3);
    EXPECT_EQ(note_detected(seen, "http", answer(R"({"version":"HTTP/1.0","max_message_bytes":5})"), 6),
              keys{"proto.http.supported"});
}

TEST(protocol_evidence, a_link_that_stands_is_better_evidence_than_a_look_that_finds_nothing) {
    protocol_evidence seen;
    seen.up = seen.supported = true;
    seen.reason = "link open";
    EXPECT_EQ(note_absent(seen, "grpc", "nobody answered", 1), keys{});
    EXPECT_TRUE(seen.supported);
    EXPECT_EQ(seen.reason, "link open");
}

TEST(protocol_evidence, what_a_plugin_of_others_says_is_cut_and_wrong_types_are_left_out) {
    protocol_evidence seen;
    json::array many;
    for (int i = 0; i < 1000; ++i) many.emplace_back(std::string(1000, 'x'));
    many.insert(many.begin(), json::value(17));
    json::object odd{
        {"version", std::string(100'000, 'v')}, {"features", many}, {"latency_us", "fast"}, {"max_message_bytes", -4}};
    note_detected(seen, "odd", odd, 1);
    EXPECT_EQ(seen.version.size(), 64u);
    EXPECT_EQ(seen.features.size(), 32u);
    EXPECT_EQ(seen.features.front().size(), 64u);
    EXPECT_EQ(seen.latency_ns, 0);
    EXPECT_EQ(seen.max_message_bytes, 0u);
    EXPECT_EQ(seen.gauge.tier(), protocol_tier::unknown);
}

}  // namespace
}  // namespace sigrun
