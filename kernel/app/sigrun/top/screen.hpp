// The terminal while `sigrun top` has it: drawn on by ncurses, given back as it was. One at a time, main thread only.
#pragma once

#include "kernel/app/sigrun/terminal.hpp"

#include <string>
#include <string_view>

namespace sigrun::cli::top {

enum class key_code : unsigned char {
    none,
    text,  // `typed` has it
    up,
    down,
    page_up,
    page_down,
    home,
    end,
    enter,
    escape,
    tab,
    back_tab,
    backspace,
    left,
    right,
    interrupt,
    suspend,
    redraw,
};
struct key {
    key_code code = key_code::none;
    std::string typed{};
};

class screen {
public:
    /// failure if the terminal's kind is unknown.
    explicit screen(bool colour);
    ~screen();
    screen(const screen&) = delete;
    screen& operator=(const screen&) = delete;

    int width() const;
    int height() const;
    void clear();
    /// At most `room` columns; `text` must be printable (cell_text.hpp).
    void put(int y, int x, std::string_view text, style how = style::plain, bool reverse = false, int room = 10'000);
    /// A whole line in reverse.
    void bar(int y);
    /// Text with the colours of terminal::paint, one line of it.
    void put_painted(int y, std::string_view line);
    void cursor_at(int y, int x);
    void no_cursor();
    void show();
    /// The next key that was pressed; none: there is no more.
    key next_key();
    /// Takes the size that the window has now.
    void resize();
    void redraw();
    /// Gives the terminal back, stops the program as Ctrl-Z does, and takes it again.
    void suspend();

private:
    bool colour_;
};

}  // namespace sigrun::cli::top
