#include "kernel/agent/machine_watch.hpp"

#include "kernel/base/quantity.hpp"

#include <time.h>

#include <utility>

namespace sigrun {
namespace {

constexpr std::chrono::milliseconds k_each{500};
constexpr std::chrono::seconds k_silent{10};

// Goes on while the machine sleeps, as the wall clock does.
std::int64_t boot_ns() {
    timespec t{};
    ::clock_gettime(CLOCK_BOOTTIME, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

std::string seconds_text(nanoseconds n) {
    return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(n).count()) + " s";
}

}  // namespace

machine_watch::machine_watch(machine_needs needs, nanoseconds max_clock_skew, std::string workspaces, const clock& time,
                             post_fn post)
    : needs_(needs),
      max_skew_(max_clock_skew),
      workspaces_(std::move(workspaces)),
      time_(time),
      post_(std::move(post)),
      clock_(max_clock_skew),
      seen_at_(time.now()) {}

void machine_watch::tick() {
    const auto now = time_.now();
    if (began_ != time_point{} && now - began_ < k_each) return;
    if (looking_.exchange(true)) return;
    began_ = now;
    post_([self = shared_from_this()] { self->look(); });
}

void machine_watch::look() {
    auto missing = what_is_missing(read_machine(workspaces_), needs_, workspaces_);
    {
        std::lock_guard lock(mutex_);
        missing_ = std::move(missing);
        seen_at_ = time_.now();
        clock_.look(time_.wall_ns(), boot_ns());
    }
    looking_ = false;
}

void machine_watch::heard(std::int64_t sent_ns, std::int64_t answered_ns, std::int64_t controller_ns) {
    std::lock_guard lock(mutex_);
    clock_.heard(sent_ns, answered_ns, controller_ns);
}

std::optional<problem> machine_watch::clock_trouble() const {
    const auto expected = [this] { return "at most " + format_duration(max_skew_); };
    if (const auto skew = clock_.skew())
        return problem{errc::unavailable, "the clock differs from the controller's", "max_clock_skew", expected(),
                       seconds_text(skew->count() < 0 ? -*skew : *skew) + (skew->count() < 0 ? " behind" : " ahead")};
    if (const auto jump = clock_.jump(boot_ns()))
        return problem{errc::unavailable, "the clock jumped", "max_clock_skew", expected(), seconds_text(*jump)};
    return std::nullopt;
}

std::optional<problem> machine_watch::trouble() const {
    std::lock_guard lock(mutex_);
    if (const auto age = time_.now() - seen_at_; age > k_silent)
        return problem{errc::unavailable, "the disk of the workspaces does not answer", "workspace_dir",
                       "an answer within " + seconds_text(k_silent), "none for " + seconds_text(age)};
    if (missing_) return missing_;
    return clock_trouble();
}

}  // namespace sigrun
