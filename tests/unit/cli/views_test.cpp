#include "kernel/app/sigrun/event_view.hpp"
#include "kernel/app/sigrun/fact_view.hpp"
#include "kernel/app/sigrun/job_view.hpp"
#include "kernel/app/sigrun/runner_view.hpp"
#include "kernel/app/sigrun/units.hpp"
#include "kernel/base/rfc3339.hpp"

#include <gtest/gtest.h>

namespace sigrun::cli {
namespace {

json::object object(const char* text) { return parse_object(text).value(); }
json::array list(const char* text) { return json::parse(text).as_array(); }
bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

TEST(job_view, a_list_shows_what_one_looks_for) {
    const auto now = *parse_rfc3339("2026-01-05T10:01:00Z");
    const std::string text = job_table(
        list(
            R"([{"id":"019b8c1e-0000-7000-8000-0c8e6a1d4b21","state":"failed","exit_code":2,"command":["sh","-c","exit 2"],
                 "runner":{"id":"r","name":"build-1"},"protocol":"http","submitted_at":"2026-01-05T10:00:18Z",
                 "started_at":"2026-01-05T10:00:18Z","finished_at":"2026-01-05T10:00:20.500Z"},
                {"id":"019b8c1e-0000-7000-8000-0c8e6a1d4b22","state":"queued","exit_code":null,"command":["true"],
                 "runner":null,"protocol":null,"submitted_at":"2026-01-05T10:00:59.5Z"}])"),
        {}, now);
    EXPECT_TRUE(has(text, "0c8e6a1d4b21  failed  2     build-1  http      42s  2.5 s  sh -c 'exit 2'\n")) << text;
    EXPECT_TRUE(has(text, "queued")) << text;
}

TEST(job_view, empty_lists_say_so) {
    EXPECT_EQ(job_table({}, {}, 0), "no jobs\n");
    EXPECT_TRUE(has(runner_table({}, {}, 0), "no runners"));
}

TEST(job_view, details_name_failure_and_attempts) {
    const std::string text = job_details(
        object(
            R"({"id":"i","state":"failed","command":["a b"],"failure":{"class":"infra_runner","code":"lost","message":"gone"},
                   "attempts":[{"number":1,"runner":{"id":"r","name":"build-1"},"protocol":"valkyrie","state":"lost",
                                "reason":"least loaded","started_at":"2026-01-05T10:00:00Z"},
                               {"number":2,"runner":{"id":"s","name":"build-2"},"state":"failed","exit_code":1}]})"),
        {}, *parse_rfc3339("2026-01-05T10:00:03Z"));
    EXPECT_TRUE(has(text, "'a b'")) << text;
    EXPECT_TRUE(has(text, "infra_runner/lost: gone")) << text;
    EXPECT_TRUE(has(text, "build-2")) << text;
    EXPECT_TRUE(has(text, "least loaded")) << text;
}

TEST(job_view, usage_reads_as_words) {
    const std::string text = job_details(
        object(R"({"id":"i","state":"succeeded","usage":{"wall_ms":8,"user_ms":0,"max_rss_bytes":1677722,"x":"y"}})"),
        {}, 0);
    EXPECT_TRUE(has(text, "wall 8 ms, user 0 ms, largest process 1.6 MiB, x y")) << text;
}

TEST(job_view, an_explanation_shows_what_a_pick_saw) {
    const std::string text = explanation(
        object(
            R"({"id":"x","state":"running","attempts":[{"number":1,"trace":null},{"number":2,"trace":{"looked_at":412,)"
            R"("candidates":[{"runner":"alpha","picked":true,"tier":2,"in_flight":0,"places":4,"score":16384,)"
            R"("relative_time":1.25,"success":0.9},{"runner":"beta","picked":false,"tier":-1,"in_flight":4,"places":4,)"
            R"("score":17000,"relative_time":1,"success":1}]}}]})"),
        {});
    EXPECT_NE(text.find("what attempt 2 was chosen from, of 412 runners looked at"), std::string::npos) << text;
    EXPECT_NE(text.find("alpha    0/4     2  16384  1.25     90 %  picked"), std::string::npos) << text;
    EXPECT_NE(text.find("beta     4/4     -  17000  1.00    100 %"), std::string::npos) << text;
    EXPECT_EQ(text.find("attempt 1"), std::string::npos) << text;
}

TEST(job_view, an_explanation_counts_each_term) {
    const std::string text = explanation(
        object(
            R"({"id":"i","state":"queued","reason":"no runner fits","runners":3,"matching":0,"unknown":2,"open":1,
                   "terms":[{"text":"gpu.cuont >= 1","column":1,"false":1,"unknown":2,"nearest_key":"gpu.count"}]})"),
        {});
    EXPECT_TRUE(has(text, "0 of 3 match, 2 may, but a fact is unknown there, 1 online")) << text;
    EXPECT_TRUE(has(text, "gpu.count")) << text;
}

TEST(job_view, members_of_the_wrong_type_are_survived) {
    EXPECT_NO_THROW(job_details(
        object(R"({"id":7,"state":[],"command":"x","attempts":{},"runner":"r","failure":3,"result":1})"), {}, 0));
    EXPECT_NO_THROW(job_table(list(R"([1,null,{"command":[1]}])"), {}, 0));
    EXPECT_NO_THROW(runner_table(list(R"([{"protocols":{},"slots":"x","labels":[]},"x"])"), {}, 0));
    EXPECT_NO_THROW(explanation(object(R"({"terms":[1]})"), {}));
    EXPECT_NO_THROW(explanation(object(R"({"attempts":[1,{"trace":1},{"trace":{"candidates":[1]}}]})"), {}));
    EXPECT_NO_THROW(fact_groups(list(R"([1,{},{"key":7}])"), {}));
}

TEST(runner_view, the_protocol_in_use_comes_first_and_unknown_slots_stay_unknown) {
    const std::string text =
        runner_table(list(R"([{"name":"a","status":"online","type":"hybrid","slots":4,"in_flight":1,"rung":"valkyrie",
                  "protocols":[{"name":"http","state":"up"},{"name":"valkyrie","state":"up"},{"name":"grpc","state":"absent"}]},
                 {"name":"b","status":"offline","slots":null,"in_flight":0,"status_reason":"no frame for 10s"}])"),
                     {}, 0);
    EXPECT_TRUE(has(text, "valkyrie http")) << text;
    EXPECT_FALSE(has(text, "grpc")) << text;
    EXPECT_TRUE(has(text, "1/4")) << text;
    EXPECT_TRUE(has(text, "0/?")) << text;
}

TEST(runner_view, a_runner_without_facts_is_not_given_any) {
    const std::string text =
        runner_details(object(R"({"name":"old","status":"online","type":"legacy","protocols":[]})"), false, {}, 0);
    EXPECT_TRUE(has(text, "nothing on this runner can be asked")) << text;
    EXPECT_FALSE(has(text, "processor")) << text;
    EXPECT_FALSE(has(text, "protocol in use")) << text;
    EXPECT_EQ(fact_summary({}, {}, ""), "");
}

TEST(fact_view, facts_are_grouped_and_tell_why_there_is_no_value) {
    const std::string text = fact_groups(list(R"([
        {"key":"cpu.model","value":"EPYC","status":"ok"},
        {"key":"memory.total_bytes","value":1073741824,"status":"ok"},
        {"key":"cpu.max_hz","value":null,"status":"denied","detail":"EACCES"},
        {"key":"gpu[0].model","value":"X","status":"stale"},
        {"key":"lang","value":[{"name":"gcc","version":"12.2"},{"name":"python","version":"3.11"}],"status":"ok"},
        {"key":"runner.slots","value":2,"status":"ok","method":"declared"}])"),
                                         {});
    EXPECT_TRUE(has(text, "cpu\n  model   EPYC\n  max_hz  denied (EACCES)\n")) << text;
    EXPECT_TRUE(has(text, "1.0 GiB")) << text;
    EXPECT_TRUE(has(text, "[0].model  X (stale)")) << text;
    EXPECT_TRUE(has(text, "name=python version=3.11")) << text;
    EXPECT_TRUE(has(text, "2 (declared)")) << text;
}

TEST(fact_view, the_summary_leaves_out_what_is_unknown) {
    const std::string text = fact_summary(list(R"([{"key":"cpu.effective_cores","value":1.5,"status":"ok"},
        {"key":"memory.effective_bytes","status":"error","value":null},
        {"key":"lang[0].name","value":"gcc","status":"ok"},{"key":"lang[0].version","value":"12.2.0","status":"ok"},
        {"key":"lang[1].name","value":"perl","status":"ok"}])"),
                                          {}, "");
    EXPECT_TRUE(has(text, "1.5 usable cores")) << text;
    EXPECT_FALSE(has(text, "memory")) << text;
    EXPECT_TRUE(has(text, "gcc 12.2.0, perl")) << text;
}

TEST(event_view, one_line_with_names_instead_of_objects) {
    const std::string line = event_line(
        object(
            R"({"seq":7,"time":"2026-01-05T10:00:00.123Z","type":"JobStateChanged","job":"i","state":"running",
                   "runner":{"id":"r","name":"build-1\u001b"},"note":null,"reason":""})"),
        {});
    EXPECT_EQ(line, "10:00:00.123  JobStateChanged       job=i  state=running  runner=build-1\\x1b\n");
}

}  // namespace
}  // namespace sigrun::cli
