#include "serve/request_check.hpp"

#include "serve/params.hpp"
#include "wire/frame_codec.hpp"

#include <sigrun/cpp/authorization.hpp>
#include <sigrun/cpp/text.hpp>

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/field.hpp>

#include <atomic>
#include <random>

namespace sigrun::http {
namespace {
namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

head_verdict refuse(int status, const problem& p, std::string extra = {}) {
    head_verdict v;
    v.answer = early_answer{status, to_json(p), std::move(extra)};
    return v;
}

/// The type alone, without parameters such as charset.
std::string_view bare_type(std::string_view type) {
    type = type.substr(0, type.find(';'));
    while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
    return type;
}

/// A body has to say what it is: a page of another origin can send any text, but only under types that are not these.
std::optional<head_verdict> check_body_type(const request_header& head, const route& r, bool& framed) {
    const auto type = header_of(head, "Content-Type");
    const auto bare = bare_type(type.value_or(std::string_view()));
    if (beast::iequals(bare, "application/json")) return std::nullopt;
    const bool frames = r.replies == answer::call || r.replies == answer::post_frames;
    framed = frames && beast::iequals(bare, k_frame_type);
    if (framed) return std::nullopt;
    return refuse(415, {"invalid", "send the body with the header Content-Type: application/json", "Content-Type",
                        frames ? sdk::concat("application/json or ", k_frame_type) : std::string("application/json"),
                        type ? shown(*type) : std::string("none")});
}

bool mentions(std::string_view list, std::string_view word) {
    for (std::size_t i = 0; i + word.size() <= list.size(); ++i)
        if (beast::iequals(list.substr(i, word.size()), word)) return true;
    return false;
}

/// Where the body ends must be beyond doubt: else somebody in between may see other requests here than we do.
std::optional<head_verdict> check_framing(const request_header& head) {
    const auto codings = head.count(bhttp::field::transfer_encoding);
    if (codings == 0) return std::nullopt;
    const auto coding = *header_of(head, "Transfer-Encoding");
    std::optional<head_verdict> bad;
    if (head.count(bhttp::field::content_length))
        bad = refuse(400, {"invalid", "two lengths for one body", "Transfer-Encoding",
                           "either Transfer-Encoding or Content-Length", "both"});
    else if (codings > 1 || !beast::iequals(coding, "chunked"))
        bad = refuse(501, {"unsupported", "unknown transfer coding", "Transfer-Encoding", "chunked",
                           codings > 1 ? std::string("several headers") : shown(coding)});
    if (bad) bad->answer->close = true;
    return bad;
}

std::optional<head_verdict> read_authorization(const request_header& head, std::string& auth) {
    std::vector<std::string_view> given;
    const auto found = head.equal_range(bhttp::field::authorization);
    for (auto it = found.first; it != found.second; ++it) given.push_back(sv(it->value()));
    if (const auto bad = sdk::read_authorization(given, auth)) return refuse(401, *bad, "WWW-Authenticate: Bearer\r\n");
    return std::nullopt;
}

/// What must hold of any request, whatever it asks for.
std::optional<head_verdict> check_protocol(const request_header& head) {
    if (auto bad = check_framing(head)) return bad;  // first: it closes, others may not
    if (head.count(bhttp::field::host) > 1 || (head.version() == 11 && !head.count(bhttp::field::host)))
        return refuse(400, {"invalid", "wrong value", "Host", "exactly one Host header",
                            head.count(bhttp::field::host) ? "several" : "none"});
    if (asks_for_websocket(head))
        return refuse(426,
                      {"unsupported", "WebSocket is not served here", "Upgrade", "a plain HTTP request", "websocket"},
                      "Upgrade: HTTP/1.1\r\nConnection: upgrade\r\n");
    if (const auto expect = header_of(head, "Expect"); expect && !beast::iequals(*expect, "100-continue"))
        return refuse(417, {"unsupported", "unknown expectation", "Expect", "100-continue", shown(*expect)});
    return std::nullopt;
}

}  // namespace

std::string new_request_id() {
    // The beginning is random, so that names of two runs, or of two daemons, do not meet.
    static std::atomic<std::uint64_t> next{std::uint64_t{std::random_device()()} << 32};
    constexpr char k_digits[] = "0123456789abcdef";
    std::string out(16, '0');
    auto n = next.fetch_add(1, std::memory_order_relaxed);
    for (auto at = out.rbegin(); at != out.rend(); ++at, n >>= 4) *at = k_digits[n & 15];
    return out;
}

request_names names_of(const request_header& head) {
    request_names out;
    if (const auto given = header_of(head, "traceparent"); given && sdk::is_trace_parent(*given))
        out.trace_parent = *given;
    const auto given = header_of(head, "X-Request-Id");
    out.wrong = given && !sdk::is_request_id(*given);
    out.id = given && !out.wrong ? std::string(*given) : new_request_id();
    return out;
}

std::optional<std::string_view> header_of(const request_header& head, std::string_view name) {
    const auto found = head.find(beast::string_view(name.data(), name.size()));
    if (found == head.end()) return std::nullopt;
    return sv(found->value());
}

bool asks_for_websocket(const request_header& head) {
    const auto upgrade = header_of(head, "Upgrade");
    return upgrade && mentions(*upgrade, "websocket");
}

head_verdict check_head(const request_header& head, bool has_body, const host_rule& hosts) {
    if (auto bad = check_protocol(head)) return std::move(*bad);
    if (const auto bad = check_caller(head, hosts)) return refuse(bad->status, bad->why);
    if (names_of(head).wrong)
        return refuse(400, {"invalid", "wrong value", "X-Request-Id", std::string(sdk::k_request_id_form),
                            shown(*header_of(head, "X-Request-Id"))});
    std::string auth;
    if (auto bad = read_authorization(head, auth)) return std::move(*bad);
    const auto verb = sv(head.method_string());
    if (verb == "OPTIONS" && head.target() == "*") {
        head_verdict v;
        v.answer = early_answer{204, {}, "Allow: GET, HEAD, POST, DELETE, OPTIONS\r\n"};
        return v;
    }
    mismatch why;
    auto where = parse_target(sv(head.target()), why);
    if (!where) return refuse(400, problem_of(why, "target"));

    head_verdict v;
    auto& request = v.request;
    request.auth = std::move(auth);
    request.match = find_route(verb, where->segments);
    if (request.match.allow.empty())
        return refuse(404, {"not_found", "there is nothing at this path", "target", "a path that GET / lists",
                            shown(sv(head.target()))});
    if (verb == "OPTIONS") {
        v.answer = early_answer{204, {}, "Allow: " + request.match.allow + "\r\n"};
        return v;
    }
    if (!request.match.what)
        return refuse(405,
                      {"unsupported", "this path does not take this verb", "verb", request.match.allow, shown(verb)},
                      "Allow: " + request.match.allow + "\r\n");
    const route& r = *request.match.what;
    if (r.takes == body::none && has_body)
        return refuse(400, {"invalid", "this request takes no body", "body", "no body", "a body"});
    if (has_body)
        if (auto bad = check_body_type(head, r, request.framed)) return std::move(*bad);

    problem bad;
    auto params = form_params(
        request.match, *where, [&](std::string_view name) { return header_of(head, name); }, bad);
    if (!params) return refuse(400, bad);
    request.params = std::move(*params);
    request.head_only = verb == "HEAD";
    if (r.replies == answer::bytes && !request.head_only)
        if (const auto range = header_of(head, "Range")) request.range = parse_range(*range);
    if (r.replies == answer::logs) {
        const auto* format = where->find("format");
        if (format && *format != "raw" && *format != "sse")
            return refuse(400, {"invalid", "wrong value", "format", "raw or sse", shown(*format)});
        const auto accept = header_of(head, "Accept");
        request.event_stream = format ? *format == "sse" : accept && mentions(*accept, "text/event-stream");
        const auto* follow = where->find("follow");
        request.follows = follow && (follow->empty() || *follow == "true" || *follow == "1" || *follow == "yes");
    }
    if (r.replies == answer::index || r.replies == answer::asset) {
        const auto is_named = [&](std::string_view header, std::string_view word) {
            const auto list = header_of(head, header);
            return list && mentions(*list, word);
        };
        request.html = is_named("Accept", "text/html");
        request.gzip = is_named("Accept-Encoding", "gzip");
        request.known_tag = header_of(head, "If-None-Match").value_or(std::string_view());
    }
    request.where = std::move(*where);
    return v;
}

}  // namespace sigrun::http
