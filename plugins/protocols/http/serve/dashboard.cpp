#include "serve/dashboard.hpp"

#include "dashboard/assets.hpp"
#include "serve/connection.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun::http {
namespace {

// Everything comes from here, no script or style is in the page itself, and nobody shows it within a page of theirs.
constexpr std::string_view k_policy =
    "Content-Security-Policy: default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'\r\nReferrer-Policy: no-referrer\r\n";

}  // namespace

bool answer_asset(connection& who, std::string_view name) {
    const auto* found = find_asset(name);
    if (!found) return false;
    const auto& asked = who.asked();
    auto extra = sdk::concat(
        "ETag: ", found->tag, "\r\nVary: Accept", name == "index.html" ? ", Accept-Encoding" : "-Encoding",
        "\r\nCache-Control: ", found->forever ? "public, max-age=31536000, immutable" : "no-cache", "\r\n", k_policy);
    if (!asked.known_tag.empty() && asked.known_tag.find(found->tag) != std::string::npos) {
        who.reply(304, {}, {}, extra);
        return true;
    }
    if (asked.gzip) extra += "Content-Encoding: gzip\r\n";
    who.reply(200, found->type, asked.gzip ? found->zipped : found->plain, extra);
    return true;
}

}  // namespace sigrun::http
