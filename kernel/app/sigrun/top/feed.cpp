#include "kernel/app/sigrun/top/feed.hpp"

#include "kernel/app/sigrun/failure.hpp"
#include "kernel/base/clock.hpp"

#include <algorithm>

namespace sigrun::cli::top {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr int k_page = 500;
constexpr int k_newest_jobs = 500;
constexpr std::size_t k_most_runners = 20'000;
constexpr auto k_retry = 500ms;
constexpr std::size_t k_tail = 500;  // lines of a log at first
/// Lists that take long are asked for less often: at most this share of the time is spent on them.
constexpr int k_share = 5;

struct list_answer {
    json::array items;
    bool more = false;
};

list_answer list(client& daemon, std::string_view method, const std::string& where, std::size_t most,
                 const std::function<bool()>& go_on) {
    list_answer out;
    json::object params;
    if (!where.empty()) params["where"] = where;
    while (go_on()) {
        if (method != "plugins.list") params["limit"] = std::min<std::size_t>(k_page, most - out.items.size());
        json::object page = daemon.call_object(method, params);
        const auto* found = array_or_null(page, "items");
        if (!found) break;
        out.items.insert(out.items.end(), found->begin(), found->end());
        const auto* next = page.if_contains("next");
        out.more = next && next->is_string();
        if (!out.more || found->empty() || out.items.size() >= most) break;
        params["cursor"] = *next;
    }
    return out;
}

samples metrics_of(client& daemon) {
    std::string text;
    daemon.call("metrics.get", {}, {}, nanoseconds(0), &text);
    return parse_metrics(text);
}

std::vector<list_row> rows_of(client& daemon, view which, const std::string& where, const samples& now,
                              const samples& before, double seconds, const std::function<bool()>& go_on, bool& more) {
    const auto wall = clock::system().wall_ns();
    list_answer all;
    switch (which) {
        case view::runners:
        case view::protocols:
            all = list(daemon, "runners.list", which == view::runners ? where : std::string(), k_most_runners, go_on);
            more = all.more;
            return which == view::runners ? runner_rows(all.items, wall)
                                          : protocol_rows(all.items, now, before, seconds);
        case view::jobs:
            all = list(daemon, "jobs.list", where, k_newest_jobs, go_on);
            more = all.more;
            return job_rows(all.items, wall);
        case view::plugins: return plugin_rows(list(daemon, "plugins.list", {}, k_most_runners, go_on).items);
        case view::balancers: break;
    }
    return balancer_rows(now, before, seconds);
}

double finished(const samples& from) {
    double sum = 0;
    for (auto it = from.lower_bound("sigrun_jobs_finished_total{");
         it != from.end() && it->first.starts_with("sigrun_jobs_finished_total{"); ++it)
        sum += it->second;
    return sum;
}

double total_of(const json::object& stats, std::string_view group, std::initializer_list<std::string_view> names) {
    const auto* counts = object_or_null(stats, group);
    double sum = 0;
    for (const auto name : names) sum += counts ? number_or<double>(*counts, name, 0) : 0;
    return sum;
}

}  // namespace

feed::feed(client::target where, nanoseconds interval, std::function<void()> told)
    : interval_(interval), told_(std::move(told)), client_(std::move(where), waits_) {
    thread_ = std::thread([this] { run(); });
}

feed::~feed() {
    waits_.interrupt();
    thread_.join();
    if (log_) log_->abandon();
}

void feed::watch(view which, std::string where) {
    {
        std::lock_guard lock(mutex_);
        wish_.which = which;
        wish_.where = std::move(where);
        changed_ = true;
    }
    waits_.wake();
}

void feed::open(page_kind which, std::string key) {
    {
        std::lock_guard lock(mutex_);
        wish_.page = which;
        wish_.key = std::move(key);
        news_.document.reset();
        news_.explained.reset();
        news_.log.clear();
        changed_ = true;
    }
    waits_.wake();
}

void feed::act(std::string method, std::string id, std::string done) {
    {
        std::lock_guard lock(mutex_);
        actions_.push_back({std::move(method), std::move(id), std::move(done)});
    }
    waits_.wake();
}

news feed::take() {
    std::lock_guard lock(mutex_);
    news out = std::move(news_);
    news_ = {};
    // What goes on being true.
    news_.connected = out.connected;
    news_.trouble = out.trouble;
    news_.version = out.version;
    news_.sums = out.sums;
    return out;
}

std::vector<list_row> feed::once(client& daemon, view which, const std::string& where) {
    bool more = false;
    samples now;
    if (which == view::protocols || which == view::balancers) now = metrics_of(daemon);
    return rows_of(
        daemon, which, where, now, {}, 0, [] { return true; }, more);
}

feed::wish feed::wanted() const {
    std::lock_guard lock(mutex_);
    return wish_;
}

void feed::publish(const std::function<void(news&)>& change) {
    {
        std::lock_guard lock(mutex_);
        change(news_);
    }
    told_();
}

void feed::do_actions() {
    for (;;) {
        action next;
        {
            std::lock_guard lock(mutex_);
            if (actions_.empty()) return;
            next = std::move(actions_.front());
            actions_.pop_front();
        }
        std::pair<std::string, bool> told{next.done, true};
        try {
            client_.call(next.method, {{"id", next.id}});
        } catch (const failure& f) {
            if (f.from() == failure::source::interrupt) throw;
            told = {next.method + ": " + f.what(), false};
            if (f.from() == failure::source::transport) {
                publish([&](news& n) { n.outcomes.push_back(told); });
                throw;
            }
        }
        publish([&](news& n) { n.outcomes.push_back(told); });
    }
}

void feed::ask_totals() {
    const json::object stats = client_.call_object("stats.get", {});
    auto fresh = metrics_of(client_);
    const auto at = steady_clock::now();
    seconds_ = sampled_ == time_point{} ? 0 : std::chrono::duration<double>(at - sampled_).count();
    before_ = std::exchange(now_, std::move(fresh));
    sampled_ = at;
    totals sums{total_of(stats, "runners", {"online", "busy"}),
                total_of(stats, "runners", {"online", "busy", "draining", "maintenance", "error", "offline"}),
                number_or<double>(stats, "waiting", 0), total_of(stats, "jobs", {"running", "uploading", "offered"}),
                std::nullopt};
    if (seconds_ > 0) sums.finished_per_second = std::max(0.0, finished(now_) - finished(before_)) / seconds_;
    publish([&](news& n) { n.sums = sums; });
}

void feed::ask_page() {
    const auto want = wanted();
    if (want.page == page_kind::none || want.page == page_kind::log) return;
    const char* method = want.page == page_kind::runner ? "runners.get"
                         : want.page == page_kind::job  ? "jobs.get"
                                                        : "plugins.get";
    const json::object params{{"id", want.key}};
    auto document = client_.call_object(method, params);
    std::optional<json::object> explained;
    if (want.page == page_kind::job) explained = client_.call_object("jobs.explain", params);
    publish([&](news& n) {
        if (wish_.page != want.page || wish_.key != want.key) return;
        n.page = want.page;
        n.page_key = want.key;
        n.document = std::move(document);
        n.explained = std::move(explained);
    });
}

void feed::read_log() {
    const auto want = wanted();
    const bool wanted_here = want.page == page_kind::log;
    if (log_ && (!wanted_here || log_of_ != want.key)) {
        log_->abandon();
        log_.reset();
    }
    if (!wanted_here) return;
    if (!log_) {
        log_ = std::make_shared<log_feed>(waits_);
        log_of_ = want.key;
        const json::object params{{"id", want.key}, {"follow", true}, {"tail", k_tail}};
        client_.start("jobs.logs", json::serialize(params), {}, log_->replies(), log_->done());
    }
    std::string bytes;
    for (const auto& piece : log_->take()) {
        if (piece.missing) bytes += "\n(" + std::to_string(piece.missing) + " bytes are not kept)\n";
        bytes += piece.bytes();
    }
    if (!bytes.empty()) publish([&](news& n) { n.log += bytes; });
    if (auto end = log_->ended(); end && !end->how && !end->by_transport) throw failure(end->how.error());
}

void feed::round() {
    const auto want = wanted();
    const bool other = want.which != asked_.which || want.where != asked_.where;
    if (!other && steady_clock::now() < slow_until_) return ask_page();
    asked_ = want;
    const auto begun = steady_clock::now();
    std::optional<problem> refused;
    try {
        ask_totals();
    } catch (const failure& f) {
        // Who may not see the numbers may see the list.
        if (f.from() != failure::source::answer) throw;
        refused = f.what_happened();
    }
    const auto go_on = [&] {
        do_actions();
        const auto still = wanted();
        return still.which == want.which && still.where == want.where;
    };
    bool more = false;
    auto rows = rows_of(client_, want.which, want.where, now_, before_, seconds_, go_on, more);
    if (!go_on()) return;
    publish([&](news& n) {
        n.of = want.which;
        n.where = want.where;
        n.rows = std::move(rows);
        n.more = more;
        n.trouble = refused ? refused->text() : std::string();
    });
    const auto took = steady_clock::now() - begun;
    slow_until_ = took * k_share > interval_ ? steady_clock::now() + took * k_share : time_point{};
    ask_page();
}

void feed::run() {
    time_point next{};
    for (;;) {
        try {
            if (!client_.connected()) {
                client_.connect();
                log_.reset();
                const auto about = client_.call_object("version.get", {});
                publish([&](news& n) {
                    n.connected = true;
                    n.trouble.clear();
                    n.version = std::string(text_or(about, "version"));
                });
                next = {};
            }
            do_actions();
            bool changed = false;
            {
                std::lock_guard lock(mutex_);
                changed = std::exchange(changed_, false);
            }
            read_log();
            if (changed || steady_clock::now() >= next) {
                next = steady_clock::now() + interval_;
                round();
            }
        } catch (const failure& f) {
            if (f.from() == failure::source::interrupt) return;
            const bool away = f.from() == failure::source::transport;
            publish([&](news& n) {
                n.connected = !away;
                // A wrong expression comes with itself and a caret, as lines of their own.
                const std::string_view what = f.what();
                n.trouble = away ? "daemon unreachable, retrying" : std::string(what.substr(0, what.find('\n')));
                // What was asked for while it is away is not done when it is back and nobody expects it.
                for (const auto& lost : actions_)
                    n.outcomes.emplace_back(lost.method + ": the daemon is unreachable", false);
                actions_.clear();
            });
            next = steady_clock::now() + (away ? nanoseconds(k_retry) : interval_);
            if (away) {
                sampled_ = {};
                while (steady_clock::now() < next)
                    if (waits_.wait_until(next) == waiter::outcome::interrupted) return;
                continue;
            }
        } catch (const std::exception& e) {
            // An answer that nobody here can read. A thread that ends with it would leave the terminal as it is.
            publish([&](news& n) { n.trouble = e.what(); });
            next = steady_clock::now() + interval_;
        }
        if (waits_.wait_until(next) == waiter::outcome::interrupted) return;
    }
}

}  // namespace sigrun::cli::top
