// What is on the screen, by what is known.
#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/app/sigrun/job_view.hpp"
#include "kernel/app/sigrun/plugin_commands.hpp"
#include "kernel/app/sigrun/runner_view.hpp"
#include "kernel/app/sigrun/top/session.hpp"
#include "kernel/app/sigrun/units.hpp"
#include "kernel/base/clock.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun::cli::top {
namespace {

constexpr int k_least_width = 40, k_least_height = 10;

constexpr std::pair<const char*, const char*> k_help[] = {
    {"1-5, Tab", "runners, jobs, protocols, plugins, balancers and queues"},
    {"arrows, j k", "move; PgUp PgDn Home End (g G) too"},
    {"Enter", "details; Escape or q goes back"},
    {"< >, s", "sort by another column; r turns the order"},
    {"/", "only rows with this text"},
    {"f", "only runners or jobs this expression holds for, as `sigrun runner ls --where` takes it"},
    {"d", "runner: drain, or resume"},
    {"c", "job: cancel"},
    {"l", "job: its output, live"},
    {"R", "plugin: read its file again"},
    {"Ctrl-L", "draw the screen again; Ctrl-Z suspend"},
    {"q, Ctrl-C", "leave"},
};

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> out;
    while (!text.empty()) {
        const auto line = text.substr(0, text.find('\n'));
        out.emplace_back(line);
        text.remove_prefix(std::min(line.size() + 1, text.size()));
    }
    return out;
}

/// A line of a job's output: tabs as spaces, colours left out, all else made visible.
std::string log_line(std::string_view line) {
    std::string out;
    for (std::size_t i = 0; i < line.size(); ++i) {
        if (line[i] == '\t') {
            out.append(8 - out.size() % 8, ' ');
        } else if (line[i] == '\033' && i + 1 < line.size() && line[i + 1] == '[') {
            for (i += 2; i < line.size() && (line[i] < '@' || line[i] > '~');) ++i;
        } else if (line[i] != '\r' || i + 1 < line.size()) {
            out += line[i];
        }
    }
    return printable(out);
}

std::size_t first_character_of(std::string_view text) {
    std::size_t n = 1;
    while (n < text.size() && (static_cast<unsigned char>(text[n]) & 0xC0u) == 0x80u) ++n;
    return n;
}

std::string whole(double n) { return grouped(static_cast<std::uint64_t>(n)); }

}  // namespace

void session::build_page(int width) {
    terminal where;
    where.colour = colour_;
    where.width = static_cast<unsigned>(width);
    const auto now = clock::system().wall_ns();
    lines_.clear();
    if (page_ == page_kind::log) {
        for (const auto& line : lines_of(log_)) lines_.push_back(log_line(line));
    } else if (page_ == page_kind::none) {
        fields f;
        for (std::size_t i = 0; i < list().columns().size() && list().selected_row(); ++i)
            f.add(list().columns()[i].name, list().selected_row()->cells[i].shown);
        lines_ = lines_of(f.render(where));
    } else if (document_) {
        if (page_ == page_kind::runner) lines_ = lines_of(runner_details(*document_, true, where, now));
        if (page_ == page_kind::plugin) lines_ = lines_of(plugin_details(*document_, where));
        if (page_ == page_kind::job)
            lines_ = lines_of(job_details(*document_, where, now) +
                              (explained_ ? "\n" + explanation(*explained_, where) : std::string()));
    }
}

void session::draw_header(screen& on) const {
    const bool narrow = on.width() < 70;
    std::string left = narrow ? "" : "sigrun";
    if (!narrow && !state_.version.empty()) left += " " + printable(state_.version);
    if (const auto& t = state_.sums) {
        left += sdk::concat(narrow ? "" : "  ", whole(t->online), "/", whole(t->runners),
                            narrow ? " up" : " runners online", "  ", whole(t->queued),
                            narrow ? " wait" : " jobs queued", "  ", whole(t->running), narrow ? " run" : " running");
        if (t->finished_per_second) {
            char rate[32];
            std::snprintf(rate, sizeof rate, "  %.1f/s", *t->finished_per_second);
            left += rate;
        }
    }
    const std::string right = state_.connected ? "connected" : state_.trouble.empty() ? "connecting" : "unreachable";
    const int x = on.width() - static_cast<int>(right.size());
    on.put(0, 0, left, style::strong, false, std::max(0, x - 1));
    on.put(0, x, right, state_.connected ? style::good : style::bad);
    int at = 0;
    for (std::size_t i = 0; i < k_view_names.size(); ++i) {
        const auto name = on.width() < 60 ? k_view_names[i].substr(0, 5) : k_view_names[i];
        const auto tab = sdk::concat(" ", i + 1, " ", name, on.width() < 60 ? "" : " ");
        on.put(1, at, tab, style::plain, i == static_cast<std::size_t>(view_));
        at += static_cast<int>(tab.size());
    }
    const auto& limits = wheres_[static_cast<std::size_t>(view_)];
    const auto& filter = lists_[static_cast<std::size_t>(view_)].filter_text();
    std::string told;
    if (!filter.empty()) told += " /" + printable(filter);
    if (!limits.empty()) told += " f: " + printable(limits);
    on.put(1, at + 1, told, style::accent);
}

void session::draw_list(screen& on, int top, int height) {
    auto& rows = list();
    const std::size_t lines = static_cast<std::size_t>(std::max(1, height - 1));
    page_height_ = static_cast<int>(lines);
    const std::size_t first = rows.window(lines);
    const auto placed = place_columns(rows, first, lines, static_cast<std::size_t>(on.width()));
    const auto put = [&](int y, const placed_column& c, const cell& what, bool reverse) {
        const auto cut = cut_to(what.text, c.width);
        const bool right = rows.columns()[c.index].flags & column::k_right;
        const auto x = c.x + (right ? c.width - std::min(c.width, columns_of(cut)) : 0);
        on.put(y, static_cast<int>(x), cut, reverse ? style::plain : what.how, reverse);
    };
    for (const auto& c : placed) {
        std::string title = rows.columns()[c.index].name;
        std::transform(title.begin(), title.end(), title.begin(),
                       [](char ch) { return ch >= 'a' && ch <= 'z' ? static_cast<char>(ch - 32) : ch; });
        if (rows.sorted_by() == c.index) title += rows.reversed() ? "v" : "^";
        put(top, c, {title, style::strong}, false);
    }
    for (std::size_t i = 0; i < lines && first + i < rows.shown(); ++i) {
        const int y = top + 1 + static_cast<int>(i);
        const bool selected = first + i == rows.selected();
        if (selected) on.bar(y);
        for (const auto& c : placed) put(y, c, rows.at(first + i).cells[c.index].shown, selected);
    }
    if (rows.shown() == 0)
        on.put(top + 1, 0,
               !loaded_           ? (state_.connected && state_.trouble.empty() ? "asking the daemon ..." : "")
               : rows.all()       ? "nothing has this text; Escape ends the filter"
               : !where().empty() ? "none meets this expression; f changes it"
                                  : "none",
               style::faint);
}

void session::draw_page(screen& on, int top, int height) {
    build_page(on.width());
    page_height_ = std::max(1, height - 1);
    const auto lines = static_cast<std::size_t>(page_height_);
    const std::size_t last = lines_.size() > lines ? lines_.size() - lines : 0;
    line_ = follow_ ? last : std::min(line_, last);
    on.put(top, 0, (page_ == page_kind::log ? "output of job " : std::string()) + page_title_, style::strong);
    for (std::size_t i = 0; i < lines && line_ + i < lines_.size(); ++i)
        on.put_painted(top + 1 + static_cast<int>(i), lines_[line_ + i]);
    if (lines_.empty())
        on.put(top + 1, 0, page_ == page_kind::log ? "no output yet" : "asking the daemon ...", style::faint);
}

void session::draw_help(screen& on, int top, int height) {
    terminal where;
    where.width = static_cast<unsigned>(on.width());
    fields keys;
    for (const auto& [which, does] : k_help) keys.add(which, does);
    const auto lines = lines_of(keys.render(where));
    const auto shown = static_cast<std::size_t>(height);
    page_height_ = height;
    line_ = std::min(line_, lines.size() > shown ? lines.size() - shown : 0);
    for (std::size_t i = 0; i < shown && line_ + i < lines.size(); ++i)
        on.put(top + static_cast<int>(i), 0, lines[line_ + i]);
}

void session::draw_last_line(screen& on) {
    const int y = on.height() - 1;
    on.no_cursor();
    if (mode_ == mode::filter || mode_ == mode::where) {
        const std::string prompt = mode_ == mode::filter ? "/" : "where: ";
        std::string text = printable(typed_);
        // The end is where one types.
        while (static_cast<int>(prompt.size() + columns_of(text)) >= on.width())
            text.erase(0, first_character_of(text));
        on.put(y, 0, prompt + text);
        return on.cursor_at(y, static_cast<int>(prompt.size() + columns_of(text)));
    }
    if (mode_ == mode::confirm) {
        // A long name must not hide what is expected.
        constexpr std::string_view k_choice = " (y/n)";
        const auto room = static_cast<std::size_t>(on.width()) - k_choice.size();
        return on.put(y, 0, cut_to(printable(question_), room) + std::string(k_choice), style::caution, true);
    }
    if (mode_ == mode::help) return on.put(y, 0, "arrows move, any other key goes back", style::faint);
    if (!message_.empty()) return on.put(y, 0, printable(message_), message_is_bad_ ? style::bad : style::good);
    if (!state_.trouble.empty()) return on.put(y, 0, printable(state_.trouble), style::bad);
    std::string place, hints = "q back";
    if (mode_ == mode::list) {
        const auto n = list().shown();
        place = sdk::concat(n ? grouped(list().selected() + 1) : "0", " of ", grouped(n), more_ ? "+" : "");
        hints = "? help  q quit  Enter details  / filter";
    }
    if (view_ == view::runners) hints += mode_ == mode::list ? "  f where  d drain" : "  d drain/resume";
    if (view_ == view::jobs) hints += mode_ == mode::list ? "  f where  l log  c cancel" : "  l log  c cancel";
    if (view_ == view::plugins) hints += "  R reload";
    on.put(y, 0, hints, style::faint, false, on.width() - static_cast<int>(place.size()) - 1);
    on.put(y, on.width() - static_cast<int>(place.size()), place, style::faint);
}

void session::draw(screen& on) {
    on.clear();
    if (on.width() < k_least_width || on.height() < k_least_height) {
        on.no_cursor();
        on.put(0, 0, sdk::concat("too small: ", k_least_width, "x", k_least_height, " or more"));
        return on.show();
    }
    draw_header(on);
    const int height = on.height() - 3;
    const auto what = mode_ == mode::confirm ? before_confirm_ : mode_;
    if (what == mode::help) {
        draw_help(on, 2, height);
    } else if (what == mode::page) {
        draw_page(on, 2, height);
    } else {
        draw_list(on, 2, height);
    }
    draw_last_line(on);
    on.show();
}

}  // namespace sigrun::cli::top
