// Codecs and other pure parts of the http plugin.
#include "serve/openapi.hpp"
#include "serve/problem.hpp"
#include "serve/recognise.hpp"
#include "serve/routes.hpp"
#include "serve/sse.hpp"
#include "wire/frame_codec.hpp"
#include "wire/outbox.hpp"
#include "wire/target.hpp"
#include "wire/text.hpp"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <random>

namespace sigrun::http {
namespace {

TEST(http_base64, agrees_with_rfc_4648_and_refuses_what_is_not_canonical) {
    EXPECT_EQ(to_base64(""), "");
    EXPECT_EQ(to_base64("f"), "Zg==");
    EXPECT_EQ(to_base64("fo"), "Zm8=");
    EXPECT_EQ(to_base64("foobar"), "Zm9vYmFy");
    for (auto bad : {"Zg=", "Zg", "Zh==", "Zm9=", "Z===", "====", "Zm 8", "Zg==Zg==", "=Zg="})
        EXPECT_FALSE(from_base64(bad)) << bad;
    std::minstd_rand random(7);
    for (std::size_t n = 0; n < 300; ++n) {
        std::string bytes;
        for (std::size_t i = 0; i < n; ++i) bytes += static_cast<char>(random());
        EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
    }
}

TEST(http_utf8, knows_valid_text_cut_sequences_and_replaces_the_rest_byte_by_byte) {
    EXPECT_TRUE(is_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"));
    for (auto bad : {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff", "\xe2\x82", "\x80"})
        EXPECT_FALSE(is_utf8(bad)) << bad;
    EXPECT_EQ(unfinished_tail("a\xe2\x82"), 2u);
    EXPECT_EQ(unfinished_tail("a\xe2\x82\xac"), 0u);
    EXPECT_EQ(unfinished_tail("\xf0\x9f\x98"), 3u);
    EXPECT_EQ(unfinished_tail("\xff"), 0u);
    std::size_t replaced = 0;
    EXPECT_EQ(with_valid_utf8("a\xff\xe2\x82z", replaced), "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz");
    EXPECT_EQ(replaced, 3u);
}

TEST(http_duration, reads_what_people_write_and_refuses_the_rest) {
    using namespace std::chrono;
    EXPECT_EQ(parse_duration("1h30m"), nanoseconds(minutes(90)));
    EXPECT_EQ(parse_duration("250ms"), nanoseconds(milliseconds(250)));
    EXPECT_EQ(parse_duration("1.5s"), nanoseconds(milliseconds(1500)));
    EXPECT_EQ(parse_duration("0"), nanoseconds(0));
    for (auto bad : {"", "5", "s", "-1s", "1 s", "1y", "1e3s", "99999999999d", "nan", "infs", "1s2"})
        EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(http_target, decodes_paths_and_queries) {
    mismatch why;
    const auto t = parse_target("/v1/jobs/a%2Fb?x=1&y=a+b%26c&flag", why);
    ASSERT_TRUE(t) << why.text();
    EXPECT_EQ(t->segments, (std::vector<std::string>{"v1", "jobs", "a/b"}));
    EXPECT_EQ(*t->find("x"), "1");
    EXPECT_EQ(*t->find("y"), "a b&c");
    EXPECT_EQ(*t->find("flag"), "");
    EXPECT_TRUE(parse_target("/", why)->segments.empty());
    EXPECT_EQ(parse_target("http://h:1/v1?a=b", why)->segments.size(), 1u);
    EXPECT_EQ(parse_target("/v1/", why)->segments.size(), 2u);
}

TEST(http_target, refuses_bad_escapes_other_encodings_and_repeated_keys) {
    mismatch why;
    for (auto bad : {"/%", "/%4", "/%zz", "/%ff", "/?a=%c3%28", "/?a=1&a=2", "x", "", "/%00", "/a?%ff=1"})
        EXPECT_FALSE(parse_target(bad, why)) << bad;
    EXPECT_FALSE(parse_target("/?a=1&a=2", why));
    EXPECT_EQ(why.text(), "a: expected each query key once, found it again");
    std::string many = "/?";
    for (int i = 0; i < 65; ++i) many += "k" + std::to_string(i) + "=&";
    EXPECT_FALSE(parse_target(many, why));
    for (const std::string text : {"a b", "ä/?&%", "x~y"})
        EXPECT_EQ(parse_target("/" + percent_encode(text), why)->segments.at(0), text);
}

TEST(http_recognise, says_yes_to_requests_no_to_http2_and_waits_for_the_rest) {
    for (auto yes : {"GET /", "POST /v1/jobs HTTP/1.1", "OPTIONS * HTTP/1.1", "GET http://h/", "M-SEARCH *"})
        EXPECT_EQ(recognise(yes), SIGRUN_OK) << yes;
    for (auto no : {"PRI * HTTP/2.0", "PRI ", " GET /", "get /", "VALKYRIE/1", "\x16\x03\x01", "GET x", "GET\t/",
                    "AAAAAAAAAAAAAAAAAAAAAAAAA"})
        EXPECT_EQ(recognise(no), SIGRUN_NOT_MINE) << no;
    for (auto more : {"", "G", "GET", "GET ", "PR", "PRI"}) EXPECT_EQ(recognise(more), SIGRUN_NEED_MORE) << more;
}

TEST(http_frames, survive_the_way_through_json) {
    wire_frame f;
    f.kind = SIGRUN_LOG;
    f.flags = 5;
    f.stream = 2;
    f.seq = 9;
    f.offset = 1ull << 60;
    f.time_ns = 1700000000000000000ull;
    f.attempt = 3;
    f.job = "j\"1";
    f.token = "t";
    f.json = "{\"a\": [1,\n 2]}";
    f.payload = std::string("\0\xff\n", 3);
    f.has_payload = true;
    mismatch why;
    const auto text = encode_frame(f);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const auto back = decode_frame(text, why);
    ASSERT_TRUE(back) << why.text();
    EXPECT_EQ(back->kind, f.kind);
    EXPECT_EQ(back->flags, f.flags);
    EXPECT_EQ(back->stream, f.stream);
    EXPECT_EQ(back->seq, f.seq);
    EXPECT_EQ(back->offset, f.offset);
    EXPECT_EQ(back->time_ns, f.time_ns);
    EXPECT_EQ(back->attempt, f.attempt);
    EXPECT_EQ(back->job, f.job);
    EXPECT_EQ(back->token, f.token);
    EXPECT_EQ(back->json, "{\"a\":[1,2]}");
    EXPECT_EQ(back->payload, f.payload);
    EXPECT_TRUE(decode_frame(R"({"kind":"beat","newer":1})", why)->payload.empty());
    EXPECT_FALSE(decode_frame(R"({"kind":"beat"})", why)->has_payload);
}

TEST(http_frames, refuse_what_is_none_and_name_the_member) {
    const std::pair<const char*, const char*> bad[] = {{"[]", "frame"},
                                                       {"{}", "kind"},
                                                       {R"({"kind":"x"})", "kind"},
                                                       {R"({"kind":"log","seq":-1})", "seq"},
                                                       {R"({"kind":"log","seq":1.5})", "seq"},
                                                       {R"({"kind":"log","flags":4294967296})", "flags"},
                                                       {R"({"kind":"log","attempt":1})", "attempt"},
                                                       {R"({"kind":"log","attempt":{"number":"1"}})", "attempt.number"},
                                                       {R"({"kind":"log","payload":"?"})", "payload"},
                                                       {"{", "expected JSON"},
                                                       {"", "expected JSON"}};
    for (const auto& [text, names] : bad) {
        mismatch why;
        EXPECT_FALSE(decode_frame(text, why)) << text;
        EXPECT_NE(why.text().find(names), std::string::npos) << text << ": " << why.text();
        EXPECT_FALSE(why.expected.empty() || why.found.empty()) << text;
    }
    mismatch why;
    wire_frame big;
    big.kind = SIGRUN_LOG;
    big.has_payload = true;
    big.payload.assign(SIGRUN_LOG_MAX + 1, 'x');
    EXPECT_FALSE(decode_frame(encode_frame(big), why));
    EXPECT_FALSE(decode_frames("{}", why));
    EXPECT_FALSE(decode_frames(R"([{"kind":"beat"},1])", why));
    EXPECT_EQ(decode_frames("[]", why)->size(), 0u);
    std::string deep(100000, '[');
    EXPECT_FALSE(decode_frames(deep, why));
}

TEST(http_outbox, numbers_keeps_until_acknowledged_and_is_bounded) {
    outbox box;
    wire_frame f;
    f.kind = SIGRUN_BEAT;
    for (int i = 0; i < 3; ++i) EXPECT_EQ(box.push(f), SIGRUN_OK);
    mismatch why;
    EXPECT_EQ(decode_frames(box.array_after(1, 1000), why)->front().seq, 2u);
    EXPECT_EQ(decode_frames(box.array_after(0, 1), why)->size(), 1u) << "at least one, however small the limit";
    box.acknowledge(2);
    EXPECT_EQ(decode_frames(box.array_after(0, 1000), why)->size(), 1u);
    box.acknowledge(99);
    EXPECT_TRUE(box.empty());
    EXPECT_EQ(box.last(), 3u);

    wire_frame log;
    log.kind = SIGRUN_LOG;
    log.has_payload = true;
    log.payload.assign(SIGRUN_LOG_MAX, 'x');
    int taken = 0;
    while (box.push(log) == SIGRUN_OK) ASSERT_LT(++taken, 100);
    EXPECT_EQ(box.push(f), SIGRUN_OK) << "control frames still find room";
    while (box.push(f) == SIGRUN_OK) ASSERT_LT(++taken, 10'000'000);
    f.kind = 77;
    EXPECT_EQ(box.push(f), SIGRUN_E_INVALID);
    outbox other;
    f.kind = SIGRUN_OFFER;
    f.json = "\"" + std::string(16 << 20, 'x') + "\"";
    EXPECT_EQ(other.push(f), SIGRUN_E_INVALID);
    EXPECT_EQ(other.last(), 0u) << "a refused frame uses up no number";
}

TEST(http_sse, keeps_line_breaks_inside_data) {
    EXPECT_EQ(sse_event("log", "7", "a\nb\r\nc\rd"), "event: log\nid: 7\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
    EXPECT_EQ(sse_event("", "", ""), "data: \n\n");
}

TEST(http_sse, joins_characters_cut_by_frames_and_counts_offsets_of_what_was_said) {
    log_events log;
    const auto first = log.add("stdout", 10, 1, "a\xe2\x82");
    EXPECT_NE(first.find("id: 11\n"), std::string::npos);
    EXPECT_NE(first.find(R"("text":"a")"), std::string::npos);
    const auto second = log.add("stdout", 13, 2, "\xac\n");
    EXPECT_NE(second.find("id: 15\n"), std::string::npos);
    EXPECT_NE(second.find("\"offset\":11"), std::string::npos);
    EXPECT_NE(second.find("\"text\":\"\xe2\x82\xac\\n\""), std::string::npos);
    log.add("stdout", 15, 3, "\xe2");
    const auto other = log.add("stderr", 16, 4, "x");
    EXPECT_NE(other.find("\xef\xbf\xbd"), std::string::npos) << "held bytes of another stream are given before";
    log.add("stderr", 17, 5, "\xf0");
    const auto end = log.end(18, "{\"end\":true}");
    EXPECT_NE(end.find("id: 18\ndata: {\"offset\":17"), std::string::npos) << end;
    EXPECT_NE(end.find("event: end\nid: 18\ndata: {\"end\":true}\n\n"), std::string::npos) << end;
}

TEST(http_problem, maps_every_code_to_its_status) {
    const std::pair<const char*, int> expected[] = {{"invalid", 400},
                                                    {"unknown_field", 400},
                                                    {"unauthenticated", 401},
                                                    {"forbidden", 403},
                                                    {"not_found", 404},
                                                    {"conflict", 409},
                                                    {"too_large", 413},
                                                    {"busy", 429},
                                                    {"cancelled", 409},
                                                    {"unsupported", 501},
                                                    {"io", 500},
                                                    {"unavailable", 503},
                                                    {"timeout", 504},
                                                    {"internal", 500},
                                                    {"?", 500}};
    for (const auto& [code, status] : expected) EXPECT_EQ(status_of_code(code), status) << code;
    const auto busy = read_problem(R"({"code":"busy","retry_after_ms":1500})", SIGRUN_E_INTERNAL);
    EXPECT_EQ(busy.status, 429);
    EXPECT_EQ(busy.retry_after_s, 2u);
    const auto text = read_problem("no \xff json", SIGRUN_E_NOT_FOUND);
    EXPECT_EQ(text.status, 404);
    EXPECT_EQ(boost::json::parse(text.body).at("code"), "not_found");
}

TEST(http_openapi, lists_exactly_the_routes_of_the_table) {
    const auto document = boost::json::parse(openapi_document());
    std::size_t operations = 0;
    for (const auto& [path, verbs] : document.at("paths").as_object()) operations += verbs.as_object().size();
    EXPECT_EQ(operations, routes().size());
    EXPECT_EQ(document.at("paths").at("/v1/jobs").at("post").at("operationId"), "jobs.submit");
    EXPECT_EQ(document.at("paths").at("/v1/jobs/{id}").at("get").at("parameters").at(1).at("required"), true);
    EXPECT_EQ(boost::json::parse(index_document()).at("routes").as_array().size(), routes().size());
}

TEST(http_routes, no_two_routes_answer_the_same_request) {
    for (const auto& r : routes()) {
        mismatch why;
        std::string path(r.pattern);
        for (std::size_t at; (at = path.find('{')) != std::string::npos;)
            path.replace(at, path.find('}') - at + 1, "x");
        const auto match = find_route(r.verb, parse_target(path, why)->segments);
        ASSERT_EQ(match.what, &r) << r.pattern;
        EXPECT_NE(match.allow.find(r.verb), std::string::npos);
    }
    EXPECT_TRUE(find_route("GET", {"v1", "jobs", ""}).allow.empty()) << "an empty id is no id";
}

}  // namespace
}  // namespace sigrun::http
