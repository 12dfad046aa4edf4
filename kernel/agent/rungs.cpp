#include "kernel/agent/rungs.hpp"

#include "kernel/link/link.hpp"
#include "kernel/net/url_security.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>

namespace sigrun {
namespace {

constexpr std::array<std::string_view, 4> k_ladder{"valkyrie", "grpc", "websocket", "http"};

bool is_unix(std::string_view scheme) { return scheme.ends_with("+unix"); }

std::size_t position(const auto& list, std::string_view name) {
    return static_cast<std::size_t>(std::find(list.begin(), list.end(), name) - list.begin());
}

}  // namespace

std::string same_place(const std::string& url, std::string_view schemes) {
    auto colon = url.find("://");
    if (colon == std::string::npos) return {};
    std::string_view own = std::string_view(url).substr(0, colon);
    while (!schemes.empty()) {
        auto comma = schemes.find(',');
        auto one = schemes.substr(0, comma);
        if (one == own) return url;
        if (!one.empty() && is_encrypted_scheme(one) == is_encrypted_scheme(own) && is_unix(one) == is_unix(own))
            return std::string(one) + url.substr(colon);
        schemes.remove_prefix(comma == std::string_view::npos ? schemes.size() : comma + 1);
    }
    return {};
}

result<std::vector<rung>> rungs_for(plugin_host& host, const std::string& url, bool ladder,
                                    const std::vector<std::string>& allowed) {
    SIGRUN_TRY(own, protocol_for_uri(host, url));
    std::vector<rung> found;
    for (const auto& i : host.instances(SIGRUN_KIND_PROTOCOL)) {
        const auto* table = i->table<sigrun_protocol>(SIGRUN_KIND_PROTOCOL);
        if (!table || !table->dial || !table->link || (i != own && !ladder)) continue;
        std::string name(sdk::view(table->name));
        if (!allowed.empty() && position(allowed, name) == allowed.size()) continue;
        auto uri = i == own ? url : same_place(url, sdk::view(table->schemes));
        if (!uri.empty()) found.push_back({i, name, uri});
    }
    if (found.empty())
        return bad_value("protocols", "one of them to be loaded and to reach " + url,
                         allowed.empty() ? "none loaded" : "\"" + allowed.front() + "\"");
    std::stable_sort(found.begin(), found.end(), [&](const rung& a, const rung& b) {
        if (!allowed.empty()) return position(allowed, a.name) < position(allowed, b.name);
        if ((a.protocol == own) != (b.protocol == own)) return a.protocol == own;
        return position(k_ladder, a.name) < position(k_ladder, b.name);
    });
    return found;
}

}  // namespace sigrun
