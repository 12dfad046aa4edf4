#include "serve/upgrade_check.hpp"

#include "wire/limit.hpp"
#include "wire/message.hpp"

#include <sigrun/cpp/authorization.hpp>
#include <sigrun/cpp/base64.hpp>

#include <boost/beast/http/rfc7230.hpp>

#include <vector>

namespace sigrun::websocket {
namespace {
namespace http = boost::beast::http;

constexpr std::string_view k_version = "13";
constexpr std::string_view k_token_prefix = "sigrun.bearer.";  // a browser cannot set headers, only subprotocols
constexpr std::size_t k_key_size = 16;

std::string_view sv(boost::beast::string_view s) { return {s.data(), s.size()}; }

std::vector<std::string_view> all(const http_request& asked, http::field name) {
    std::vector<std::string_view> values;
    const auto found = asked.equal_range(name);
    for (auto it = found.first; it != found.second; ++it) values.push_back(sv(it->value()));
    return values;
}
std::vector<std::string_view> all(const http_request& asked, boost::beast::string_view name) {
    std::vector<std::string_view> values;
    const auto found = asked.equal_range(name);
    for (auto it = found.first; it != found.second; ++it) values.push_back(sv(it->value()));
    return values;
}

std::string found(const std::vector<std::string_view>& values) {
    return values.empty() ? "none" : values.size() > 1 ? "several headers" : sdk::shown(values.front());
}

refused_upgrade bad(std::string field, std::string expected, std::string found) {
    return {400, {"invalid", "not a request for a WebSocket", std::move(field), std::move(expected), std::move(found)}};
}

std::optional<refused_upgrade> check_request(const http_request& asked) {
    if (asked.version() != 11) return bad("version", "HTTP/1.1", "another one");
    if (asked.method() != http::verb::get)
        return refused_upgrade{
            405,
            {"unsupported", "a WebSocket is asked for with GET", "verb", "GET", sdk::shown(sv(asked.method_string()))},
            "Allow: GET\r\n"};
    if (asked.count(http::field::content_length) || asked.count(http::field::transfer_encoding))
        return bad("body", "no body", "a body");
    if (const auto hosts = all(asked, http::field::host); hosts.size() != 1)
        return bad("Host", "exactly one Host header", found(hosts));
    return std::nullopt;
}

std::optional<refused_upgrade> check_place(const http_request& asked, const sdk::host_rule& hosts) {
    sdk::caller_headers sent;
    sent.host = sv(asked[http::field::host]);
    sent.origins = all(asked, "Origin");
    sent.fetch_sites = all(asked, "Sec-Fetch-Site");
    if (auto refused = sdk::check_caller(sent, hosts)) return refused_upgrade{refused->status, std::move(refused->why)};
    const auto target = sv(asked.target());
    if (target.substr(0, target.find('?')) == k_path) return std::nullopt;
    return refused_upgrade{
        404, {"not_found", "no WebSocket is served at this path", "target", std::string(k_path), sdk::shown(target)}};
}

std::optional<refused_upgrade> check_handshake(const http_request& asked) {
    const auto connection = all(asked, http::field::connection);
    bool upgrades = false;
    for (auto value : connection)
        upgrades =
            upgrades || http::token_list{boost::beast::string_view(value.data(), value.size())}.exists("upgrade");
    if (!upgrades) return bad("Connection", "Upgrade", found(connection));
    const auto version = all(asked, http::field::sec_websocket_version);
    if (version.size() != 1 || version.front() != k_version)
        return refused_upgrade{426,
                               {"unsupported", "this version of the WebSocket protocol is not served",
                                "Sec-WebSocket-Version", std::string(k_version), found(version)},
                               "Sec-WebSocket-Version: 13\r\nUpgrade: websocket\r\n"};
    const auto key = all(asked, http::field::sec_websocket_key);
    const auto bytes = key.size() == 1 ? sdk::from_base64(key.front()) : std::nullopt;
    if (!bytes || bytes->size() != k_key_size) return bad("Sec-WebSocket-Key", "base64 of 16 bytes", found(key));
    return std::nullopt;
}

std::optional<refused_upgrade> read_subprotocols(const http_request& asked, upgrade_verdict& verdict) {
    const auto lists = all(asked, http::field::sec_websocket_protocol);
    std::string token;
    for (auto list : lists)
        for (auto item : http::token_list{boost::beast::string_view(list.data(), list.size())}) {
            const auto name = sv(item);
            if (name == k_subprotocol) verdict.with_subprotocol = true;
            if (name.substr(0, k_token_prefix.size()) != k_token_prefix) continue;
            const auto text = sdk::from_base64url(name.substr(k_token_prefix.size()));
            if (!text || text->empty() || !sdk::is_utf8(*text) || !token.empty())
                return bad("Sec-WebSocket-Protocol", "one sigrun.bearer. with base64url of a token",
                           token.empty() ? "other text" : "several");
            token = *text;
        }
    if (!lists.empty() && !verdict.with_subprotocol)
        return bad("Sec-WebSocket-Protocol", std::string(k_subprotocol) + " among them, or no such header",
                   found(lists));
    if (token.empty()) return std::nullopt;
    if (!verdict.auth.empty()) return bad("Authorization", "one token, here or as a subprotocol", "both");
    verdict.auth = "bearer " + token;
    return std::nullopt;
}

}  // namespace

upgrade_verdict check_upgrade(const http_request& asked, const sdk::host_rule& hosts) {
    upgrade_verdict verdict;
    if ((verdict.refused = check_request(asked))) return verdict;
    if ((verdict.refused = check_place(asked, hosts))) return verdict;
    if (auto why = sdk::read_authorization(all(asked, http::field::authorization), verdict.auth)) {
        verdict.refused = refused_upgrade{401, std::move(*why), "WWW-Authenticate: Bearer\r\n"};
        return verdict;
    }
    if ((verdict.refused = check_handshake(asked))) return verdict;
    if ((verdict.refused = read_subprotocols(asked, verdict))) return verdict;
    if (const auto limit = all(asked, "Sigrun-Max-Message"); limit.size() == 1)
        verdict.peer_message = message_limit(limit.front());
    return verdict;
}

}  // namespace sigrun::websocket
