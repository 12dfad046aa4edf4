// The route table: which verb and path is which method, and how its params are formed. The only place that
// knows; request handling, OPTIONS, 405 and the OpenAPI document all read it. Pure, static data.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::http {

enum class source { path, query, header };
enum class kind { text, integer, boolean };

/// One param of a method and where it comes from.
struct param {
    source from;
    std::string_view name;  // in the path pattern, the query or the header
    std::string_view to;    // in params; empty: not for the method but for this plugin
    kind type = kind::text;
    std::string_view doc{};
};

/// How the replies of a route travel.
enum class answer {
    json,          // one reply, application/json
    text_payload,  // one reply, its payload as text/plain (metrics)
    file,          // one reply, its payload as application/octet-stream
    logs,          // a stream: raw bytes, or SSE when asked
    bytes,         // a stream: the bytes of something whose length is known, or a range of them
    events,        // a stream: SSE
    call,          // a stream: reply frames as JSON lines
    open_session,  // one reply, and a session with it
    poll_frames,
    post_frames,
    close_session,
    openapi,
    index,  // the routes, or the dashboard for a browser
    asset,  // a part of the dashboard
};
enum class body { none, json };

struct route {
    std::string_view verb;
    std::string_view pattern;  // "/v1/jobs/{id}/logs"; a last variable {name...} is the rest of the path
    std::string_view method;   // of the kernel; empty: named by a param, or answered by this plugin alone
    answer replies;
    body takes;
    int success;
    std::string_view location;  // with 201: prefix of the Location header, completed by the reply's id
    std::span<const param> params;
    std::string_view doc;
};

std::span<const route> routes() noexcept;

/// A route that fits, with the values of its path variables in the order of the pattern.
struct route_match {
    const route* what = nullptr;
    std::vector<std::string> variables;
    std::string allow;  // verbs of this path, "GET, HEAD, OPTIONS"; empty: no such path
};
/// HEAD finds GET routes. `what` is null for an unknown path (allow empty) or verb.
route_match find_route(std::string_view verb, const std::vector<std::string>& segments);

}  // namespace sigrun::http
