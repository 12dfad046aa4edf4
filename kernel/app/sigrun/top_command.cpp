// sigrun top
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/top/session.hpp"
#include "kernel/base/quantity.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <system_error>

namespace sigrun::cli {
namespace {

struct top_choice {
    std::string view = "runners", interval = "1s";
    top::start_with start{};
    bool once = false;
};

top::start_with checked(const top_choice& what) {
    auto out = what.start;
    const auto named = std::find(top::k_view_names.begin(), top::k_view_names.end(), what.view);
    out.which = static_cast<top::view>(named - top::k_view_names.begin());
    if (!out.where.empty() && out.which != top::view::runners && out.which != top::view::jobs)
        throw failure(bad_value("--where", "the view runners or jobs", what.view));
    std::string names;
    for (const auto& c : top::columns_of_view(out.which)) {
        if (c.name == out.sort) return out;
        names += (names.empty() ? "" : ", ") + c.name;
    }
    if (!out.sort.empty()) throw failure(bad_value("--sort", "one of " + names, "\"" + out.sort + "\""));
    return out;
}

int once(context& ctx, const top::start_with& how) {
    top::list_model list(top::columns_of_view(how.which));
    list.set_rows(top::feed::once(ctx.daemon(), how.which, how.where));
    if (!how.sort.empty()) list.sort_by(list.column_named(how.sort));
    if (how.reversed) list.reverse();
    list.filter(how.filter);
    json::array items;
    std::vector<column> titles;
    for (const auto& c : list.columns()) titles.push_back({c.name, c.flags, c.least});
    table shown(std::move(titles));
    for (std::size_t i = 0; i < list.shown(); ++i) {
        json::object item;
        std::vector<cell> cells;
        for (std::size_t c = 0; c < list.columns().size(); ++c) {
            const auto& one = list.at(i).cells[c];
            cells.push_back(one.shown);
            if (one.number)
                item[list.columns()[c].name] = *one.number;
            else if (list.columns()[c].by_number)
                item[list.columns()[c].name] = nullptr;
            else
                item[list.columns()[c].name] = one.shown.text;
        }
        items.push_back(std::move(item));
        shown.add(std::move(cells));
    }
    if (ctx.json())
        context::print(json::serialize(json::object{{"items", std::move(items)}}) + "\n");
    else
        context::print(shown.render(ctx.out()));
    return k_ok;
}

/// Signals and news as descriptors. Made before any other thread, which then leaves these signals alone.
class wakeups {
public:
    wakeups() {
        sigset_t set;
        sigemptyset(&set);
        for (int each : {SIGINT, SIGTERM, SIGHUP, SIGWINCH}) sigaddset(&set, each);
        ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
        signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        news_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (signals_ < 0 || news_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd and eventfd");
    }
    ~wakeups() {
        ::close(signals_);
        ::close(news_);
    }
    wakeups(const wakeups&) = delete;
    wakeups& operator=(const wakeups&) = delete;

    void news() noexcept {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto n = ::write(news_, &one, sizeof one);
    }
    struct happened {
        bool end = false, resized = false, news = false, keys = false;
    };
    happened wait() {
        pollfd all[3] = {{STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}, {news_, POLLIN, 0}};
        // Ages on the screen grow, also when nothing happens.
        ::poll(all, 3, 1000);
        happened out;
        out.keys = all[0].revents & POLLIN;
        out.end = all[0].revents & (POLLHUP | POLLERR | POLLNVAL);
        signalfd_siginfo info{};
        while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info))
            (info.ssi_signo == SIGWINCH ? out.resized : out.end) = true;
        std::uint64_t count = 0;
        out.news = ::read(news_, &count, sizeof count) > 0;
        return out;
    }

private:
    int signals_ = -1, news_ = -1;
};

int live(context& ctx, const top::start_with& how, nanoseconds interval) {
    if (!::isatty(STDIN_FILENO) || !::isatty(STDOUT_FILENO)) {
        ctx.note("top needs a terminal; `sigrun top --once` prints one table");
        return k_usage;
    }
    const auto term = ctx.around.variable("TERM");
    if (term.empty() || term == "dumb") {
        ctx.note("top cannot draw on this terminal (TERM=" + term + "); `sigrun top --once` prints one table");
        return k_usage;
    }
    const bool colour = ctx.out().colour;
    wakeups wakes;
    top::feed feed(ctx.target(), interval, [&wakes] { wakes.news(); });
    top::screen screen(colour);
    top::session session(feed, how, colour);
    for (bool stay = true; stay;) {
        session.draw(screen);
        const auto now = wakes.wait();
        if (now.end) break;
        if (now.resized) screen.resize();
        if (now.news) session.update(feed.take());
        if (!now.keys) continue;
        auto pressed = screen.next_key();
        // A terminal that is gone can be read for ever, and has nothing.
        if (pressed.code == top::key_code::none) break;
        for (; stay && pressed.code != top::key_code::none; pressed = screen.next_key())
            stay = session.press(pressed, screen);
    }
    return k_ok;
}

}  // namespace

void add_top_command(CLI::App& app, context& ctx) {
    auto what = std::make_shared<top_choice>();
    auto* sub = app.add_subcommand("top", "The fleet, live: runners, jobs, protocols, plugins, balancers");
    sub->add_option("--view", what->view, "What to begin with")
        ->check(CLI::IsMember({"runners", "jobs", "protocols", "plugins", "balancers"}))
        ->capture_default_str();
    sub->add_option("--where", what->start.where, "Only runners or jobs that this holds for")->type_name("EXPR");
    sub->add_option("--filter", what->start.filter, "Only rows with this text")->type_name("TEXT");
    sub->add_option("--sort", what->start.sort, "Sort by this column")->type_name("COLUMN");
    sub->add_flag("--reverse", what->start.reversed, "The other way round");
    sub->add_option("--interval", what->interval, "Time between two looks, from 100ms to 1h")
        ->type_name("DURATION")
        ->capture_default_str();
    sub->add_flag("--once", what->once, "Print the view as a table and end; with --output json: numbers, not rounded");
    sub->footer(
        "Examples:\n  sigrun top\n  sigrun top --view jobs --where 'job.state == \"running\"'\n"
        "  sigrun top --once --view runners --sort load --output json\nThe key ? shows the keys.");
    sub->callback([&ctx, what] {
        ctx.action = [&ctx, what] {
            const auto interval = parse_duration(what->interval);
            if (!interval || *interval < std::chrono::milliseconds(100) || *interval > std::chrono::hours(1))
                throw failure(bad_value("--interval", "a duration from 100ms to 1h", "\"" + what->interval + "\""));
            const auto how = checked(*what);
            return what->once ? once(ctx, how) : live(ctx, how, *interval);
        };
    });
}

}  // namespace sigrun::cli
