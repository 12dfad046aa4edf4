// Everything the http plugin reads from strangers before it decides anything. The first byte of the input
// chooses the reader. What decodes must encode to something that decodes to the same.
#include "rustci/job_document.hpp"
#include "rustci/retry_after.hpp"
#include "rustci/script.hpp"
#include "rustci/status_reply.hpp"
#include "serve/problem.hpp"
#include "serve/recognise.hpp"
#include "serve/request_check.hpp"
#include "serve/sse.hpp"
#include "wire/frame_codec.hpp"
#include "wire/target.hpp"
#include "wire/text.hpp"

#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstdint>
#include <cstdlib>

namespace {

using namespace sigrun::http;

void check(bool holds) {
    if (!holds) std::abort();
}

void read_head(std::string_view text) {
    namespace bhttp = boost::beast::http;
    bhttp::request_parser<bhttp::string_body> parser;
    parser.header_limit(4096);
    parser.body_limit(4096);
    boost::system::error_code ec;
    parser.put(boost::asio::const_buffer(text.data(), text.size()), ec);
    if (ec || !parser.is_header_done()) return;
    const auto verdict = check_head(parser.get(), !parser.is_done(), {true, {"h"}});
    check(verdict.answer || verdict.request.match.what);
    check(!verdict.answer || is_utf8(verdict.answer->body));
    const auto& auth = verdict.request.auth;
    check(auth.empty() || auth.substr(0, 7) == "bearer " || auth.substr(0, 6) == "basic ");
}

void read_frames(std::string_view text) {
    mismatch why;
    const auto frames = decode_frames(text, why);
    if (!frames) return check(!why.expected.empty() && !why.found.empty() && is_utf8(why.text()));
    for (const auto& f : *frames) {
        const auto again = decode_frame(encode_frame(f), why);
        check(again && again->payload == f.payload && again->json == f.json && again->seq == f.seq &&
              again->job == f.job && again->attempt == f.attempt);
    }
}

void read_target(std::string_view text) {
    mismatch why;
    const auto where = parse_target(text, why);
    if (!where) return check(!why.expected.empty() && !why.found.empty() && is_utf8(why.text()));
    for (const auto& segment : where->segments) {
        check(is_utf8(segment));
        const auto again = parse_target("/" + percent_encode(segment), why);
        check(segment.empty() || (again && again->segments.at(0) == segment));
    }
}

void read_replies(std::string_view text) {
    std::string why;
    if (const auto status = rustci::read_status_reply(text, why)) {
        check(is_utf8(status->output) && status->job_id.size() == 36);
        check(status->status != rustci::word::completed || status->exit_code);
    } else {
        check(!why.empty());
    }
    if (const auto job = rustci::read_job(text, why)) {
        check(!job->steps.empty() && rustci::script_of(*job).find('\0') == std::string::npos);
    }
    (void)rustci::read_submit_reply(text);
    (void)rustci::read_retry_after(text, 0);
    (void)read_problem(text, SIGRUN_E_INTERNAL);
}

void read_texts(std::string_view text) {
    (void)recognise(text);
    (void)parse_duration(text);
    if (const auto bytes = from_base64(text)) check(to_base64(*bytes) == text);
    check(from_base64(to_base64(text)) == text);
    std::size_t replaced = 0;
    const auto clean = with_valid_utf8(text, replaced);
    check(is_utf8(clean) && (replaced == 0) == is_utf8(text));
    log_events log;
    const auto half = text.size() / 2;
    const auto events = log.add("stdout", 0, 1, text.substr(0, half)) + log.add("stdout", half, 2, text.substr(half)) +
                        log.end(text.size(), "{}");
    check(is_utf8(events));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
    switch (data[0] % 5) {
        case 0: read_head(text); break;
        case 1: read_frames(text); break;
        case 2: read_target(text); break;
        case 3: read_replies(text); break;
        default: read_texts(text);
    }
    return 0;
}
