#include "serve/recognise.hpp"

#include <strings.h>

#include <algorithm>

namespace sigrun::websocket {
namespace {

constexpr std::string_view k_get = "GET ";
constexpr std::string_view k_name = "upgrade:";
constexpr std::string_view k_wanted = "websocket";
constexpr std::size_t k_longest_head = 16 * 1024;

bool begins_with(std::string_view text, std::string_view with) noexcept {
    return text.size() >= with.size() && strncasecmp(text.data(), with.data(), with.size()) == 0;
}

/// A comma separated list has the item, which may be followed by a version.
bool names(std::string_view list, std::string_view item) noexcept {
    while (!list.empty()) {
        auto one = list.substr(0, list.find(','));
        list.remove_prefix(std::min(list.size(), one.size() + 1));
        while (!one.empty() && (one.front() == ' ' || one.front() == '\t')) one.remove_prefix(1);
        if (!begins_with(one, item)) continue;
        one.remove_prefix(item.size());
        if (one.empty() || one.front() == ' ' || one.front() == '\t' || one.front() == '/') return true;
    }
    return false;
}

}  // namespace

sigrun_result recognise(std::string_view first) noexcept {
    const auto n = std::min(first.size(), k_get.size());
    if (first.substr(0, n) != k_get.substr(0, n)) return SIGRUN_NOT_MINE;
    bool request_line = true;
    for (auto rest = first;;) {
        const auto end = rest.find('\n');
        if (end == std::string_view::npos) break;
        auto line = rest.substr(0, end);
        if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
        rest.remove_prefix(end + 1);
        if (request_line && line.find(" HTTP/1.") == std::string_view::npos) return SIGRUN_NOT_MINE;
        if (!request_line && line.empty()) return SIGRUN_NOT_MINE;
        if (!request_line && begins_with(line, k_name) && names(line.substr(k_name.size()), k_wanted)) return SIGRUN_OK;
        request_line = false;
    }
    return first.size() < k_longest_head ? SIGRUN_NEED_MORE : SIGRUN_NOT_MINE;
}

}  // namespace sigrun::websocket
