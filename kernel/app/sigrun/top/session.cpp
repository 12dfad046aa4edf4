#include "kernel/app/sigrun/top/session.hpp"

#include "kernel/app/sigrun/cell_text.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun::cli::top {
namespace {

constexpr std::size_t k_most_log = 1u << 20;
constexpr std::size_t k_most_typed = 1024;

std::string last_character_off(std::string text) {
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0u) == 0x80u) text.pop_back();
    if (!text.empty()) text.pop_back();
    return text;
}

}  // namespace

session::session(feed& from, const start_with& how, bool colour)
    : feed_(from), colour_(colour), wheres_(k_view_names.size()), view_(how.which) {
    for (std::size_t i = 0; i < k_view_names.size(); ++i) lists_.emplace_back(columns_of_view(static_cast<view>(i)));
    for (const view each : {view::runners, view::protocols, view::plugins})
        lists_[static_cast<std::size_t>(each)].sort_by(0);
    if (!how.sort.empty()) list().sort_by(list().column_named(how.sort));
    if (how.reversed) list().reverse();
    list().filter(how.filter);
    where() = how.where;
    feed_.watch(view_, where());
}

void session::show_view(view which) {
    if (which == view_) return;
    view_ = which;
    loaded_ = false;
    message_.clear();
    feed_.watch(view_, where());
}

void session::update(news fresh) {
    for (const auto& [text, done] : fresh.outcomes) {
        message_ = text;
        message_is_bad_ = !done;
    }
    if (fresh.rows && fresh.of == view_ && fresh.where == where()) {
        list().set_rows(std::move(*fresh.rows));
        loaded_ = true;
        more_ = fresh.more;
    }
    if (fresh.document && fresh.page == page_ && fresh.page_key == page_key_) {
        document_ = std::move(fresh.document);
        explained_ = std::move(fresh.explained);
    }
    if (page_ == page_kind::log && !fresh.log.empty()) {
        log_ += fresh.log;
        if (log_.size() > k_most_log) log_.erase(0, log_.find('\n', log_.size() - k_most_log) + 1);
    }
    fresh.rows.reset();
    state_ = std::move(fresh);
}

void session::ask(std::string question, std::function<void()> yes) {
    question_ = std::move(question);
    yes_ = std::move(yes);
    before_confirm_ = mode_;
    mode_ = mode::confirm;
}

void session::open(page_kind which) {
    if (const auto* row = list().selected_row(); mode_ == mode::list && row) {
        page_key_ = row->key;
        page_title_ = row->cells[view_ == view::balancers ? 1 : 0].shown.text;
    }
    page_ = which;
    document_.reset();
    explained_.reset();
    log_.clear();
    line_ = 0;
    follow_ = which == page_kind::log;
    mode_ = mode::page;
    feed_.open(which, page_key_);
}

bool session::command(char c) {
    const auto* row = list().selected_row();
    if (!row) return false;
    const bool in_page = mode_ == mode::page;
    const std::string key = in_page ? page_key_ : row->key;
    const std::string name = in_page ? page_title_ : row->cells[0].shown.text;
    if (c == 'd' && view_ == view::runners) {
        std::string status = row->cells[1].shown.text;
        if (in_page && document_) status = std::string(text_or(*document_, "status"));
        const bool drained = status == "draining" || status == "maintenance";
        ask((drained ? "resume " : "drain ") + name + "?", [this, key, name, drained] {
            feed_.act(drained ? "runners.resume" : "runners.drain", key,
                      name + (drained ? " takes jobs again" : " is drained"));
        });
    } else if (c == 'c' && view_ == view::jobs) {
        ask("cancel job " + name + "?",
            [this, key, name] { feed_.act("jobs.cancel", key, "job " + name + " is cancelled"); });
    } else if (c == 'R' && view_ == view::plugins) {
        ask("reload " + name + "?",
            [this, key, name] { feed_.act("plugins.reload", key, name + ": its file was read again"); });
    } else if (c == 'l' && view_ == view::jobs) {
        open(page_kind::log);
    } else {
        return false;
    }
    return true;
}

bool session::press(const key& pressed, screen& on) {
    if (pressed.code == key_code::interrupt) return false;
    if (pressed.code == key_code::redraw) {
        on.redraw();
        return true;
    }
    if (pressed.code == key_code::suspend) {
        on.suspend();
        return true;
    }
    switch (mode_) {
        case mode::list: press_in_list(pressed); break;
        case mode::filter:
        case mode::where: press_in_prompt(pressed); break;
        case mode::page: press_in_page(pressed); break;
        case mode::help: press_in_help(pressed); break;
        case mode::confirm:
            mode_ = before_confirm_;
            message_.clear();
            if (pressed.typed == "y" || pressed.typed == "Y") yes_();
            break;
    }
    return !quit_;
}

void session::press_in_list(const key& pressed) {
    const auto page = static_cast<std::ptrdiff_t>(page_height_);
    const auto next = [&](int step) {
        const int n = static_cast<int>(k_view_names.size());
        show_view(static_cast<view>((static_cast<int>(view_) + step + n) % n));
    };
    message_.clear();
    switch (pressed.code) {
        case key_code::up: return list().move(-1);
        case key_code::down: return list().move(1);
        case key_code::page_up: return list().move(-page);
        case key_code::page_down: return list().move(page);
        case key_code::home: return list().move_to(0);
        case key_code::end: return list().move_to(list().shown());
        case key_code::tab:
        case key_code::right: return next(1);
        case key_code::back_tab:
        case key_code::left: return next(-1);
        case key_code::escape: return list().filter({});
        case key_code::enter:
            if (list().selected_row())
                open(view_ == view::runners   ? page_kind::runner
                     : view_ == view::jobs    ? page_kind::job
                     : view_ == view::plugins ? page_kind::plugin
                                              : page_kind::none);
            return;
        default: break;
    }
    if (pressed.typed.size() != 1) return;
    const char c = pressed.typed[0];
    if (c >= '1' && c < '1' + static_cast<int>(k_view_names.size())) return show_view(static_cast<view>(c - '1'));
    switch (c) {
        case 'q': quit_ = true; return;
        case 'j': return list().move(1);
        case 'k': return list().move(-1);
        case 'g': return list().move_to(0);
        case 'G': return list().move_to(list().shown());
        case 's':
        case '>': return list().next_column(1);
        case '<': return list().next_column(-1);
        case 'r': return list().reverse();
        case '?':
            mode_ = mode::help;
            line_ = 0;
            return;
        case '/':
            typed_ = list().filter_text();
            mode_ = mode::filter;
            return;
        case 'f':
            if (view_ != view::runners && view_ != view::jobs) {
                message_ = "expressions are for runners and jobs; / filters by text";
                message_is_bad_ = true;
                return;
            }
            typed_ = where();
            mode_ = mode::where;
            return;
        default: command(c);
    }
}

void session::press_in_prompt(const key& pressed) {
    switch (pressed.code) {
        case key_code::escape: mode_ = mode::list; return;
        case key_code::backspace: typed_ = last_character_off(std::move(typed_)); break;
        case key_code::enter:
            if (mode_ == mode::where && where() != typed_) {
                where() = typed_;
                list().set_rows({});
                loaded_ = false;
                feed_.watch(view_, where());
            }
            if (mode_ == mode::filter) list().filter(typed_);
            mode_ = mode::list;
            return;
        case key_code::text:
            if (typed_.size() < k_most_typed) typed_ += pressed.typed;
            break;
        default: break;
    }
    // Text filters while one types; an expression is of use only when it is whole.
    if (mode_ == mode::filter) list().filter(typed_);
}

void session::press_in_help(const key& pressed) {
    const std::string& c = pressed.typed;
    if (pressed.code == key_code::up || c == "k")
        line_ -= line_ ? 1 : 0;
    else if (pressed.code == key_code::down || c == "j")
        ++line_;  // the end is where it is drawn
    else if (pressed.code == key_code::page_up)
        line_ -= std::min(line_, static_cast<std::size_t>(page_height_));
    else if (pressed.code == key_code::page_down)
        line_ += static_cast<std::size_t>(page_height_);
    else
        mode_ = mode::list;
}

void session::press_in_page(const key& pressed) {
    const auto height = static_cast<std::size_t>(page_height_);
    const std::size_t last = lines_.size() > height ? lines_.size() - height : 0;
    const auto go = [&](std::size_t to) {
        line_ = std::min(to, last);
        follow_ = page_ == page_kind::log && line_ == last;
    };
    const bool typed = pressed.typed.size() == 1;
    const char c = typed ? pressed.typed[0] : '\0';
    if (pressed.code == key_code::up || c == 'k') return go(line_ ? line_ - 1 : 0);
    if (pressed.code == key_code::down || c == 'j') return go(line_ + 1);
    if (pressed.code == key_code::page_up) return go(line_ > height ? line_ - height : 0);
    if (pressed.code == key_code::page_down) return go(line_ + height);
    if (pressed.code == key_code::home || c == 'g') return go(0);
    if (pressed.code == key_code::end || c == 'G') return go(last);
    if (pressed.code == key_code::escape || c == 'q') {
        message_.clear();
        if (page_ == page_kind::log) return open(page_kind::job);
        mode_ = mode::list;
        page_ = page_kind::none;
        feed_.open(page_kind::none, {});
        return;
    }
    if (typed) command(c);
}

}  // namespace sigrun::cli::top
