// Everything that is decided from the head of a request for a WebSocket. Pure.
#pragma once

#include <sigrun/cpp/browser_check.hpp>
#include <sigrun/cpp/problem.hpp>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <cstddef>
#include <optional>
#include <string>

namespace sigrun::websocket {

using http_request = boost::beast::http::request<boost::beast::http::string_body>;

struct refused_upgrade {
    int status = 400;
    sdk::problem why;
    std::string headers{};  // complete lines
};
struct upgrade_verdict {
    std::optional<refused_upgrade> refused;  // set: this is it
    std::string auth;                        // "bearer TOKEN", "basic CREDENTIALS" or ""
    bool with_subprotocol = false;           // the answer names sigrun.v1, as it was offered
    std::size_t peer_message = 0;            // the largest message the peer takes; 0 = it did not say
};
upgrade_verdict check_upgrade(const http_request& asked, const sdk::host_rule& hosts);

}  // namespace sigrun::websocket
