// What `sigrun top` shows and what keys do: the state between the keyboard, the feed and the screen. Main thread only.
#pragma once

#include "kernel/app/sigrun/top/feed.hpp"
#include "kernel/app/sigrun/top/screen.hpp"

#include <functional>
#include <map>
#include <string>

namespace sigrun::cli::top {

struct start_with {
    view which = view::runners;
    std::string where, filter, sort;
    bool reversed = false;
};

class session {
public:
    session(feed& from, const start_with& how, bool colour);

    /// False: the user wants to leave.
    bool press(const key& pressed, screen& on);
    void update(news fresh);
    void draw(screen& on);

private:
    enum class mode : unsigned char { list, filter, where, confirm, page, help };

    list_model& list() { return lists_.at(static_cast<std::size_t>(view_)); }
    std::string& where() { return wheres_[static_cast<std::size_t>(view_)]; }
    void show_view(view which);
    void press_in_list(const key& pressed);
    void press_in_prompt(const key& pressed);
    void press_in_help(const key& pressed);
    void press_in_page(const key& pressed);
    bool command(char c);  // of the selected or the shown one
    void ask(std::string question, std::function<void()> yes);
    void open(page_kind which);
    void build_page(int width);
    void draw_header(screen& on) const;
    void draw_list(screen& on, int top, int height);
    void draw_page(screen& on, int top, int height);
    void draw_help(screen& on, int top, int height);
    void draw_last_line(screen& on);

    feed& feed_;
    const bool colour_;
    std::vector<list_model> lists_;
    std::vector<std::string> wheres_;
    view view_;
    mode mode_ = mode::list;
    mode before_confirm_ = mode::list;
    bool quit_ = false;
    int page_height_ = 1;

    std::string typed_;
    std::string question_;
    std::function<void()> yes_;
    std::string message_;
    bool message_is_bad_ = false;

    news state_;  // without rows
    bool loaded_ = false, more_ = false;

    page_kind page_ = page_kind::none;
    std::string page_key_, page_title_, page_state_;
    std::optional<json::object> document_, explained_;
    std::string log_;
    std::vector<std::string> lines_;
    std::size_t line_ = 0;
    bool follow_ = false;
};

}  // namespace sigrun::cli::top
