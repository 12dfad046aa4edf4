#include "kernel/app/sigrun/terminal.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>

namespace sigrun::cli {

terminal terminal::of(int fd, bool no_color) {
    terminal out;
    const bool is_terminal = ::isatty(fd) == 1;
    const char* no_color_variable = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    out.colour = is_terminal && !no_color && !(no_color_variable && *no_color_variable) &&
                 !(term && std::string_view(term) == "dumb");
    winsize window{};
    if (is_terminal && ::ioctl(fd, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
        out.width = window.ws_col;
    } else if (const char* columns = std::getenv("COLUMNS")) {
        std::string_view text = columns;
        unsigned value = 0;
        auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (ec == std::errc{} && end == text.data() + text.size()) out.width = value;
    }
    return out;
}

std::string terminal::paint(std::string_view text, style how) const {
    if (!colour || how == style::plain || text.empty()) return std::string(text);
    const char* code = "1";
    switch (how) {
        case style::plain:
        case style::strong: break;
        case style::faint: code = "2"; break;
        case style::good: code = "32"; break;
        case style::caution: code = "33"; break;
        case style::bad: code = "31"; break;
        case style::accent: code = "36"; break;
    }
    std::string out = "\033[";
    out.append(code).append("m").append(text).append("\033[0m");
    return out;
}

style style_of_state(std::string_view state) noexcept {
    auto among = [&](std::initializer_list<std::string_view> names) {
        return std::find(names.begin(), names.end(), state) != names.end();
    };
    if (among({"succeeded", "online", "up", "active", "ok"})) return style::good;
    if (among({"running", "uploading", "offered", "busy"})) return style::accent;
    if (among({"delayed", "blocked", "queued", "draining", "maintenance", "cancelled", "stale", "denied", "timeout",
               "probation"}))
        return style::caution;
    if (among({"failed", "dead", "expired", "error", "offline", "down", "rejected"})) return style::bad;
    if (among({"absent", "unsupported"})) return style::faint;
    return style::plain;
}

}  // namespace sigrun::cli
