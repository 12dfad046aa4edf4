// The network probe's parsers of files and variables: what must hold for any input.
#include "network_probe.hpp"

#include <cstdlib>

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    using namespace sigrun::network;
    if (const auto proxy = proxy_without_secrets(text)) must(proxy->find('@') == proxy->npos && proxy->size() <= 280);
    const auto servers = name_servers(text);
    must(servers.size() <= 16);
    for (const auto& s : servers) must(!s.empty() && s.size() <= 64);
    if (const auto name = name_in_hosts(text, "host")) must(name->starts_with("host.") && name->size() <= 253);
    return 0;
}
