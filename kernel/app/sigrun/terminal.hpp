// The terminal that output goes to: how wide it is and whether it wants colours. Values, no state.
#pragma once

#include <string>
#include <string_view>

namespace sigrun::cli {

enum class style : unsigned char { plain, strong, faint, good, caution, bad, accent };

struct terminal {
    bool colour = false;
    unsigned width = 0;  // 0 = unlimited: not a terminal

    /// Colours: only on a terminal, without NO_COLOR, TERM=dumb and --no-color. Width: the window's, else
    /// COLUMNS.
    static terminal of(int fd, bool no_color);
    std::string paint(std::string_view text, style how) const;
};

/// How the state of a job, runner, plugin, protocol or fact is coloured.
style style_of_state(std::string_view state) noexcept;

}  // namespace sigrun::cli
