// Feeds one text to the network probe's parsers of files and variables, and checks what must hold for any input.
#pragma once

#include "network_probe.hpp"

#include <cstdlib>

namespace sigrun::network {

inline void parse_network_texts(std::string_view text) {
    const auto must = [](bool holds) {
        if (!holds) std::abort();
    };
    if (const auto proxy = proxy_without_secrets(text)) must(proxy->find('@') == proxy->npos && proxy->size() <= 280);
    const auto servers = name_servers(text);
    must(servers.size() <= 16);
    for (const auto& s : servers) must(!s.empty() && s.size() <= 64);
    if (const auto name = name_in_hosts(text, "host")) must(name->starts_with("host.") && name->size() <= 253);
}

}  // namespace sigrun::network
