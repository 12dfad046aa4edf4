// Everything that can be decided from a request's head, before its body is read. Only the head counts: later the parser
// adds the fields of a trailer to it. Pure.
#pragma once

#include "serve/byte_range.hpp"
#include "serve/caller_check.hpp"
#include "serve/problem.hpp"
#include "serve/routes.hpp"
#include "wire/target.hpp"

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun::http {

using request_header = boost::beast::http::request_header<>;

inline std::string_view sv(boost::beast::string_view s) { return {s.data(), s.size()}; }
std::optional<std::string_view> header_of(const request_header& head, std::string_view name);
bool asks_for_websocket(const request_header& head);

/// What the request is called (X-Request-Id, else a name is made up) and what trace it is part of (traceparent; empty: none that can be
/// used). A wrong X-Request-Id is replaced, and `wrong` says so.
struct request_names {
    std::string id, trace_parent;
    bool wrong = false;
};
request_names names_of(const request_header& head);
std::string new_request_id();

/// A request that has a route.
struct checked_request {
    route_match match;
    target where;
    std::string params;
    std::string auth;     // the Authorization header, its scheme in lower case: "bearer TOKEN"; or ""
    bool framed = false;  // the body is a frame, not the document itself
    bool head_only = false;
    bool event_stream = false;        // logs: SSE instead of raw bytes
    bool follows = false;             // logs: waits for more output
    std::optional<byte_range> range;  // bytes: only these
    bool html = false;                // index: the page rather than the list of routes
    bool gzip = false;                // index, asset: may come compressed
    std::string known_tag;            // the same: If-None-Match
};

/// An answer given from the head alone: refusals, and OPTIONS.
struct early_answer {
    int status = 204;
    std::string body;    // a problem document, or empty
    std::string extra;   // header lines
    bool close = false;  // where the next request begins is not certain
};

struct head_verdict {
    std::optional<early_answer> answer;  // set: this is it
    checked_request request;             // else: this is what is asked
};
head_verdict check_head(const request_header& head, bool has_body, const host_rule& hosts);

}  // namespace sigrun::http
