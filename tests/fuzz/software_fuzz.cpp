// What package managers and programs write about versions.
#include "packages.hpp"
#include "verification.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sigrun::software;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    std::map<std::string, std::string> programs;
    for (const auto& list : {parse_dpkg_status(text), parse_apk_installed(text, &programs)})
        for (const auto& p : list)
            if (p.name.empty() || p.version.empty() || p.name.size() > 256 || p.version.size() > 256) std::abort();
    for (const auto& [path, version] : programs)
        if (path.front() != '/' || version.empty()) std::abort();
    if (const auto p = parse_pacman_folder(text); p && (p->name.empty() || p->version.empty())) std::abort();
    for (const auto& version : {upstream_version(text), version_in(text)}) {
        if (version.size() > 256) std::abort();
        for (char c : version)
            if (c <= ' ' || c > '~' || c == '"' || c == '\\') std::abort();
    }
    if (const auto* p = known(text); p && p->program.size() > size) std::abort();
    return 0;
}
