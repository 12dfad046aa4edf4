#include "kernel/serve/scaling_hook.hpp"

#include "kernel/base/split_words.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/metrics/latency_counts.hpp"
#include "kernel/serve/hook_process.hpp"

#include <sigrun/cpp/text.hpp>

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun {
namespace {

constexpr nanoseconds k_longest_backoff = std::chrono::minutes(5);

/// What makes a difference to a program that starts and stops runners.
std::string gist_of(const demand_answer& answer) {
    std::string out = sdk::concat(answer.total.shortfall, " ", answer.total.unsatisfiable, ";");
    for (const auto& c : answer.classes)
        if (c.jobs.shortfall) out += sdk::concat(c.id(), " ", c.jobs.shortfall, " ", c.jobs.unsatisfiable, ";");
    for (const auto& r : answer.longest_idle) out += sdk::concat(r.id, r.drainable ? " idle;" : " needed;");
    return out;
}

std::vector<std::string> environment_of(const demand_answer& answer, const std::string& url) {
    const auto number = [](const char* name, std::uint64_t n) { return sdk::concat(name, "=", n); };
    return {"SIGRUN_URL=" + url,
            number("SIGRUN_QUEUED", answer.total.queued),
            number("SIGRUN_SHORTFALL", answer.total.shortfall),
            number("SIGRUN_UNSATISFIABLE", answer.total.unsatisfiable),
            number("SIGRUN_OLDEST_WAIT", static_cast<std::uint64_t>(answer.total.oldest_wait_s(answer.at))),
            number("SIGRUN_RUNNING", answer.total.running),
            number("SIGRUN_IDLE_RUNNERS", answer.idle_runners)};
}

}  // namespace

result<scaling_hook_options> read_scaling_hook(const daemon_settings& bound) {
    const auto& s = bound.at("autoscaling");
    scaling_hook_options out;
    out.interval = nanoseconds(s.integer("interval"));
    out.hold = nanoseconds(s.integer("hold"));
    out.idle = nanoseconds(s.integer("idle"));
    out.timeout = nanoseconds(s.integer("timeout"));
    out.always = s.text("on") == "always";
    const auto refuse = [](const char* expected, std::string found) {
        return bad_value("autoscaling.hook", expected, std::move(found));
    };
    auto words = split_words(s.text("hook"));
    if (!words) return refuse(words.error().expected.c_str(), words.error().found);
    out.command = std::move(*words);
    if (out.command.empty()) return out;
    const auto& program = out.command.front();
    if (!program.starts_with('/')) return refuse("the absolute path of a program, then its arguments", program);
    struct stat is {};
    if (::stat(program.c_str(), &is) != 0)
        return refuse("a program that is there", program + ": " + std::strerror(errno));
    if (!S_ISREG(is.st_mode)) return refuse("a program", program + ", which is no regular file");
    if (!(is.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH))) return refuse("a file that may be executed (chmod +x)", program);
    // It runs with the daemon's rights.
    if (is.st_mode & S_IWOTH) return refuse("a program that not everybody may write (chmod o-w)", program);
    return out;
}

scaling_hook::scaling_hook(parts p)
    : parts_(std::move(p)),
      done_(parts_.numbers.get_counter("sigrun_scaling_hook_runs_total", "Runs of the program of [autoscaling] hook",
                                       {{"outcome", "done"}})),
      failed_(parts_.numbers.get_counter("sigrun_scaling_hook_runs_total", "Runs of the program of [autoscaling] hook",
                                         {{"outcome", "failed"}})),
      timed_out_(parts_.numbers.get_counter("sigrun_scaling_hook_runs_total",
                                            "Runs of the program of [autoscaling] hook", {{"outcome", "timeout"}})),
      failing_(parts_.numbers.get_gauge("sigrun_scaling_hook_failing",
                                        "1: the last run of the program of [autoscaling] hook has failed")),
      seconds_(parts_.numbers.get_histogram("sigrun_scaling_hook_seconds", "How long these runs take",
                                            {0.01, 0.1, 0.5, 1, 5, 10, 30, 60, 300})),
      stop_fd_(::eventfd(0, EFD_CLOEXEC)) {}

void scaling_hook::use(scaling_hook_options now) {
    {
        std::lock_guard lock(mutex_);
        if (stopping_ || now == options_) return;
        options_ = std::move(now);
        fresh_ = true;
        if (!thread_.joinable() && !options_.command.empty()) thread_ = std::thread([this] { work(); });
    }
    changed_.notify_all();
}

void scaling_hook::stop() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        const std::uint64_t one = 1;
        while (stop_fd_ >= 0 && ::write(stop_fd_, &one, sizeof one) < 0 && errno == EINTR) {
        }
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
    if (stop_fd_ >= 0) ::close(stop_fd_);
    stop_fd_ = -1;
}

void scaling_hook::work() {
    pthread_setname_np(pthread_self(), "sigrun-scaling");
    std::unique_lock lock(mutex_);
    auto due = std::chrono::steady_clock::now();
    while (!stopping_) {
        if (std::exchange(fresh_, false)) {
            due = std::chrono::steady_clock::now();
            told_.reset();
            failures_ = 0;
        }
        const auto disturbed = [this] { return stopping_ || fresh_; };
        if (options_.command.empty()) {
            failing_.set(0);
            changed_.wait(lock, disturbed);
            continue;
        }
        if (changed_.wait_until(lock, due, disturbed)) continue;
        const auto by = options_;
        lock.unlock();
        const auto pause = round(by);
        lock.lock();
        due = std::chrono::steady_clock::now() + pause;
    }
}

nanoseconds scaling_hook::round(const scaling_hook_options& by) {
    demand_question what;
    what.hold = by.hold;
    what.idle = by.idle;
    const auto answer = parts_.demand(what);
    auto gist = gist_of(answer);
    if (!by.always && told_ == gist) return by.interval;
    const hook_call call{by.command, json::serialize(answer.document()) + "\n", environment_of(answer, url_),
                         by.timeout};
    return judge(by, run_hook(call, stop_fd_), std::move(gist));
}

nanoseconds scaling_hook::judge(const scaling_hook_options& by, const hook_end& end, std::string told) {
    using kind = hook_end::kind;
    if (end.how == kind::stopped) return by.interval;
    seconds_.observe(std::chrono::duration<double>(end.took).count());
    if (end.how == kind::done) {
        done_.add();
        failing_.set(0);
        SIGRUN_LOG(logs::daemon, debug, by.command.front(), " was told of the demand: ", end.output);
        told_ = std::move(told);
        if (std::exchange(failures_, 0)) parts_.events.publish(event_type::scaling_hook_restored, {}, {});
        return by.interval;
    }
    (end.how == kind::timed_out ? timed_out_ : failed_).add();
    failing_.set(1);
    told_.reset();
    const auto pause = std::min(by.interval * (std::int64_t{1} << std::min(failures_++, 8u)),
                                std::max(k_longest_backoff, by.interval));
    SIGRUN_LOG(logs::daemon, warning, "the program of [autoscaling] hook has failed, ", by.command.front(), ": ",
               end.why, end.output.empty() ? "" : "; it said: ", end.output);
    const auto detail = json::serialize(json::object{{"reason", end.why},
                                                     {"output", end.output},
                                                     {"failures", failures_},
                                                     {"next_in_s", std::chrono::duration<double>(pause).count()}});
    parts_.events.publish(event_type::scaling_hook_failed, {}, {}, detail.substr(1, detail.size() - 2));
    return pause;
}

}  // namespace sigrun
