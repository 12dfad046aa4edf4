#include "virt_probe.hpp"

namespace sigrun::virt {
namespace {

/// "pid:[4026531836]" -> the number.
std::optional<std::uint64_t> number_of(const sdk::sysroot& root, std::string_view kind) {
    const auto link = root.link("/proc/self/ns/" + std::string(kind));
    const auto open = link.text.find(":["), close = link.text.rfind(']');
    if (!link || open == link.text.npos || close == link.text.npos || close < open + 2) return std::nullopt;
    return sdk::parse_u64(std::string_view(link.text).substr(open + 2, close - open - 2));
}

}  // namespace

name_spaces::name_spaces(const sdk::sysroot& root) {
    // include/linux/proc_ns.h: PROC_IPC_INIT_INO and its neighbours.
    // The user name space is left out: sandboxes make one without being containers.
    constexpr std::pair<std::string_view, std::uint64_t> k_first[] = {
        {"pid", 0xEFFFFFFCu}, {"uts", 0xEFFFFFFEu}, {"ipc", 0xEFFFFFFFu}};
    for (const auto& [kind, first] : k_first) {
        const auto number = number_of(root, kind);
        if (!number) continue;
        if (kind == "pid") {
            known = true;
            own_processes = *number != first;
        }
        own_any = own_any || *number != first;
    }
}

}  // namespace sigrun::virt
