// What `sigrun top` asks the daemon, on a thread of its own: the keyboard never waits for the network. It comes back by itself
// when the daemon was away.
//
// The methods are for the main thread; `told` is called on the feed's thread whenever there is news.
#pragma once

#include "kernel/app/sigrun/client.hpp"
#include "kernel/app/sigrun/log_feed.hpp"
#include "kernel/app/sigrun/top/views.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace sigrun::cli::top {

struct totals {
    double online = 0, runners = 0, queued = 0, running = 0;
    std::optional<double> finished_per_second{};
};
enum class page_kind : unsigned char { none, runner, job, log, plugin };

struct news {
    bool connected = false;
    std::string trouble;  // why not, or what the daemon refused
    std::string version;
    std::optional<totals> sums;
    view of = view::runners;
    std::string where;
    std::optional<std::vector<list_row>> rows;  // new ones
    bool more = false;                          // the daemon has more than were asked for
    page_kind page = page_kind::none;
    std::string page_key;
    std::optional<json::object> document, explained;
    std::string log;
    std::vector<std::pair<std::string, bool>> outcomes;  // of actions; true: done
};

class feed {
public:
    feed(client::target where, nanoseconds interval, std::function<void()> told);
    ~feed();
    feed(const feed&) = delete;
    feed& operator=(const feed&) = delete;

    void watch(view which, std::string where);
    void open(page_kind which, std::string key);
    /// A method with `id`; `done` is told when it worked.
    void act(std::string method, std::string id, std::string done);
    /// What has come since the last time.
    news take();

    /// One answer to everything of a view, on the caller's thread. Throws failure.
    static std::vector<list_row> once(client& daemon, view which, const std::string& where);

private:
    struct wish {
        view which = view::runners;
        std::string where;
        page_kind page = page_kind::none;
        std::string key;
    };
    struct action {
        std::string method, id, done;
    };

    void run();
    void round();
    void ask_totals();
    void ask_page();
    void read_log();
    void do_actions();
    void publish(const std::function<void(news&)>& change);
    wish wanted() const;

    const nanoseconds interval_;
    const std::function<void()> told_;
    waiter waits_{waiter::signals::left};
    client client_;

    mutable std::mutex mutex_;
    wish wish_;
    bool changed_ = true;
    std::deque<action> actions_;
    news news_;

    // The thread's own.
    samples now_, before_;
    time_point sampled_{};
    double seconds_ = 0;
    wish asked_;
    time_point slow_until_{};
    std::shared_ptr<log_feed> log_;
    std::string log_of_;
    std::thread thread_;
};

}  // namespace sigrun::cli::top
