#include "kernel/app/sigrun/top/screen.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/failure.hpp"

#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <curses.h>
#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <clocale>
#include <csignal>
#include <cstdlib>
#include <cstring>

namespace sigrun::cli::top {
namespace {

attr_t attributes(style how, bool reverse, bool colour) {
    attr_t out = reverse ? A_REVERSE : A_NORMAL;
    switch (how) {
        case style::plain: break;
        case style::strong: out |= A_BOLD; break;
        case style::faint: out |= A_DIM; break;
        case style::good: out |= colour ? COLOR_PAIR(1) : A_NORMAL; break;
        case style::caution: out |= colour ? COLOR_PAIR(2) : A_NORMAL; break;
        case style::bad: out |= colour ? COLOR_PAIR(3) : A_BOLD; break;
        case style::accent: out |= colour ? COLOR_PAIR(4) : A_NORMAL; break;
    }
    return out;
}

style style_of_code(std::string_view code) {
    if (code == "1") return style::strong;
    if (code == "2") return style::faint;
    if (code == "32") return style::good;
    if (code == "33") return style::caution;
    if (code == "31") return style::bad;
    if (code == "36") return style::accent;
    return style::plain;
}

std::string utf8(wint_t c) {
    char out[MB_LEN_MAX];
    std::mbstate_t state{};
    const auto n = std::wcrtomb(out, static_cast<wchar_t>(c), &state);
    return n == static_cast<std::size_t>(-1) ? std::string() : std::string(out, n);
}

}  // namespace

screen::screen(bool colour) : colour_(colour) {
    // All that sigrun writes is UTF-8, whatever the locale; curses needs to be told.
    std::setlocale(LC_CTYPE, "");
    if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
    const char* term = std::getenv("TERM");
    if (!::newterm(nullptr, stdout, stdin))
        throw failure(problem{errc::unsupported, "the terminal cannot be drawn on", "TERM",
                              "a kind of terminal that this machine knows", term ? term : "nothing"});
    ::raw();
    ::noecho();
    ::nonl();
    ::keypad(stdscr, true);
    ::nodelay(stdscr, true);
    ::set_escdelay(25);
    ::curs_set(0);
    if (colour_ && ::has_colors()) {
        ::start_color();
        ::use_default_colors();
        ::init_pair(1, COLOR_GREEN, -1);
        ::init_pair(2, COLOR_YELLOW, -1);
        ::init_pair(3, COLOR_RED, -1);
        ::init_pair(4, COLOR_CYAN, -1);
    } else {
        colour_ = false;
    }
}

screen::~screen() { ::endwin(); }

int screen::width() const { return COLS; }
int screen::height() const { return LINES; }
void screen::clear() { ::erase(); }

void screen::put(int y, int x, std::string_view text, style how, bool reverse, int room) {
    room = std::min(room, width() - x);
    if (y < 0 || y >= height() || room <= 0) return;
    ::attrset(static_cast<int>(attributes(how, reverse, colour_)));
    ::mvaddstr(y, x, cut_to(text, static_cast<std::size_t>(room)).c_str());
    ::attrset(A_NORMAL);
}

void screen::bar(int y) { put(y, 0, std::string(static_cast<std::size_t>(width()), ' '), style::plain, true); }

void screen::put_painted(int y, std::string_view line) {
    int x = 0;
    style how = style::plain;
    while (!line.empty()) {
        if (line.starts_with("\033[")) {
            const auto end = line.find('m');
            how = style_of_code(line.substr(2, end - 2));
            line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
            continue;
        }
        const auto part = line.substr(0, line.find('\033'));
        put(y, x, part, how);
        x += static_cast<int>(columns_of(part));
        line.remove_prefix(part.empty() ? 1 : part.size());
    }
}

void screen::cursor_at(int y, int x) {
    ::move(y, std::min(x, width() - 1));
    ::curs_set(1);
}
void screen::no_cursor() { ::curs_set(0); }
void screen::show() { ::refresh(); }

key screen::next_key() {
    wint_t c = 0;
    const int how = ::get_wch(&c);
    if (how == ERR) return {};
    if (how == KEY_CODE_YES) switch (c) {
            case KEY_UP: return {key_code::up};
            case KEY_DOWN: return {key_code::down};
            case KEY_PPAGE: return {key_code::page_up};
            case KEY_NPAGE: return {key_code::page_down};
            case KEY_HOME: return {key_code::home};
            case KEY_END: return {key_code::end};
            case KEY_LEFT: return {key_code::left};
            case KEY_RIGHT: return {key_code::right};
            case KEY_ENTER: return {key_code::enter};
            case KEY_BTAB: return {key_code::back_tab};
            case KEY_BACKSPACE: return {key_code::backspace};
            default: return {key_code::text};  // nothing that is known here
        }
    switch (c) {
        case '\r':
        case '\n': return {key_code::enter};
        case '\t': return {key_code::tab};
        case 27: return {key_code::escape};
        case 8:
        case 127: return {key_code::backspace};
        case 3: return {key_code::interrupt};
        case 26: return {key_code::suspend};
        case 12: return {key_code::redraw};
        default: return {key_code::text, c < 32 ? std::string() : utf8(c)};
    }
}

void screen::resize() {
    winsize window{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 && window.ws_col > 0)
        ::resizeterm(window.ws_row, window.ws_col);
}

void screen::redraw() { ::clearok(curscr, true); }

void screen::suspend() {
    ::endwin();
    // The whole group, as the terminal would.
    ::kill(0, SIGSTOP);
    resize();
    ::refresh();
}

}  // namespace sigrun::cli::top
