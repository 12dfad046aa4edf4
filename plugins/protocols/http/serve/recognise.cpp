#include "serve/recognise.hpp"

#include <algorithm>

namespace sigrun::http {
namespace {
constexpr std::size_t k_longest_method = 20;
bool in_method(char c) { return (c >= 'A' && c <= 'Z') || c == '-'; }
}  // namespace

sigrun_result recognise(std::string_view first) noexcept {
    const auto end = static_cast<std::size_t>(std::find_if_not(first.begin(), first.end(), in_method) - first.begin());
    if (end > k_longest_method) return SIGRUN_NOT_MINE;
    if (end == first.size()) return SIGRUN_NEED_MORE;
    if (end == 0 || first[end] != ' ') return SIGRUN_NOT_MINE;
    if (first.substr(0, end) == "PRI") return SIGRUN_NOT_MINE;
    if (end + 1 == first.size()) return SIGRUN_NEED_MORE;
    const char next = first[end + 1];
    const bool target = next == '/' || next == '*' || next == 'h' || next == 'H' || first.substr(0, end) == "CONNECT";
    return target ? SIGRUN_OK : SIGRUN_NOT_MINE;
}

}  // namespace sigrun::http
