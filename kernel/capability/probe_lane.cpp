#include "kernel/capability/probe_lane.hpp"

#include "kernel/capability/isolated_probe.hpp"
#include "kernel/capability/probe_ticket.hpp"

#include <sigrun/cpp/text.hpp>

#include <utility>

namespace sigrun {
namespace {

constexpr std::size_t k_max_waiting = 64;
constexpr std::size_t k_max_patterns = 64;

std::atomic<std::uint64_t> lanes_made{0};

std::vector<std::string> split_patterns(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty() && out.size() < k_max_patterns) {
        const auto comma = list.find(',');
        std::string_view one = list.substr(0, comma);
        while (one.starts_with(' ')) one.remove_prefix(1);
        while (one.ends_with(' ')) one.remove_suffix(1);
        if (!one.empty()) out.emplace_back(one);
        list = comma == list.npos ? std::string_view() : list.substr(comma + 1);
    }
    return out;
}

}  // namespace

std::shared_ptr<probe_lane> probe_lane::make(plugin_host& host, const clock& clk, std::shared_ptr<instance> target,
                                             std::shared_ptr<probe_activity> activity, const std::string& program) {
    const auto* table = target->table<sigrun_probe>(SIGRUN_KIND_PROBE);
    if (!SIGRUN_HAS(table, run)) return nullptr;
    return std::shared_ptr<probe_lane>(
        new probe_lane(host, clk, std::move(target), std::move(activity), table, program));
}

probe_lane::probe_lane(plugin_host& host, const clock& clk, std::shared_ptr<instance> target,
                       std::shared_ptr<probe_activity> activity, const sigrun_probe* table, const std::string& program)
    : host_(host),
      clock_(clk),
      target_(std::move(target)),
      activity_(std::move(activity)),
      table_(table),
      patterns_(split_patterns(sdk::view(table->keys))),
      isolated_(program.empty() || (table->flags & SIGRUN_PROBE_IN_PROCESS)
                    ? nullptr
                    : std::make_shared<isolated_probe>(host, clk, target_, program, activity_)),
      number_(++lanes_made) {}

bool probe_lane::covers(std::string_view key) const noexcept {
    for (const auto& pattern : patterns_)
        if (pattern == key || key_matches(pattern, key)) return true;
    return false;
}

bool probe_lane::overlaps(std::span<const std::string> prefixes) const noexcept {
    if (prefixes.empty()) return true;
    for (std::string_view pattern : patterns_) {
        if (pattern.ends_with('*')) pattern.remove_suffix(1);
        for (const auto& prefix : prefixes)
            if (pattern.starts_with(prefix) || prefix.starts_with(pattern)) return true;
    }
    return false;
}

void probe_lane::run(std::string sysroot, done callback) {
    auto ticket = std::make_shared<probe_ticket>(shared_from_this(), std::move(sysroot), std::move(callback));
    std::string_view refusal;
    {
        std::lock_guard lock(mutex_);
        if (stopped_) {
            refusal = "detection was stopped";
        } else if (overdue_) {
            refusal = "an earlier run of this probe has not returned";
        } else if (running_) {
            if (waiting_.size() < k_max_waiting) {
                waiting_.push_back(std::move(ticket));
                return;
            }
            refusal = "too many runs of this probe are waiting";
        } else {
            running_ = ticket;
        }
    }
    if (refusal.empty())
        begin(ticket);
    else
        ticket->answer(fact_status::timeout, refusal);
}

void probe_lane::begin(const std::shared_ptr<probe_ticket>& ticket) {
    ++runs_;
    ticket->wait_for_a_thread();
    // The task counts from here until it is destroyed, which lets go of the ticket, and with it of the
    // instance, first.
    struct task {
        probe_activity::presence presence;
        std::shared_ptr<probe_ticket> ticket;
        task(std::shared_ptr<probe_activity> a, std::shared_ptr<probe_ticket> t)
            : presence(std::move(a)), ticket(std::move(t)) {}
    };
    host_.post_work([t = std::make_shared<task>(activity_, ticket)] { t->ticket->execute(); });
}

void probe_lane::returned(const probe_ticket* ticket) {
    std::shared_ptr<probe_ticket> next, ended;
    {
        std::lock_guard lock(mutex_);
        if (running_.get() != ticket) return;
        ended = std::move(running_);
        running_ = nullptr;
        overdue_ = false;
        if (!waiting_.empty() && !stopped_) {
            next = std::move(waiting_.front());
            waiting_.pop_front();
            running_ = next;
        }
    }
    if (next) begin(next);
}

void probe_lane::overdue(const probe_ticket* ticket) {
    std::deque<std::shared_ptr<probe_ticket>> hopeless;
    {
        std::lock_guard lock(mutex_);
        if (running_.get() != ticket) return;
        overdue_ = true;
        hopeless.swap(waiting_);
    }
    for (auto& t : hopeless) t->answer(fact_status::timeout, "an earlier run of this probe has not returned");
}

void probe_lane::stop() {
    std::deque<std::shared_ptr<probe_ticket>> open;
    {
        std::lock_guard lock(mutex_);
        stopped_ = true;
        open.swap(waiting_);
        if (running_) open.push_back(running_);
    }
    for (auto& t : open) t->answer(fact_status::timeout, "detection was stopped");
    if (isolated_) isolated_->stop();
}

void probe_lane::cancel() {
    std::shared_ptr<probe_ticket> ticket;
    {
        std::lock_guard lock(mutex_);
        ticket = running_;
    }
    if (ticket) ticket->soft_limit();
}

void probe_lane::forgive() {
    if (isolated_) isolated_->forgive();
}

void probe_lane::remember(const std::string& sysroot, const probe_answer_ptr& said) {
    std::lock_guard lock(mutex_);
    last_ = {sysroot, said};
    if (said->failures) return;
    good_ = last_;
    failures_ = 0;
}

probe_answer_ptr probe_lane::last(const std::string& sysroot) const {
    std::lock_guard lock(mutex_);
    return sysroot == last_.sysroot ? last_.answer : nullptr;
}

std::vector<fact> probe_lane::nothing_known(fact_status status, std::string_view detail) const {
    std::vector<fact> out;
    out.reserve(patterns_.size());
    for (const auto& pattern : patterns_) {
        fact f;
        f.key = pattern;
        f.status = status;
        f.observed_ns = clock_.wall_ns();
        f.source = target_->name();
        f.detail = std::string(detail.substr(0, 256));
        out.push_back(std::move(f));
    }
    return out;
}

unsigned probe_lane::failed_again() {
    std::lock_guard lock(mutex_);
    return ++failures_;
}

// What was known before a run that failed: for as long again as it would have been good for.
std::vector<fact> probe_lane::remembered(const std::string& sysroot) const {
    std::vector<fact> out;
    const std::int64_t now = clock_.wall_ns();
    std::lock_guard lock(mutex_);
    if (stopped_ || !good_.answer || sysroot != good_.sysroot) return out;
    for (const fact& f : good_.answer->facts) {
        if (f.status != fact_status::ok) continue;
        const auto lasts = static_cast<std::int64_t>(f.ttl_s) * 2'000'000'000;
        if (lasts && now - f.observed_ns >= lasts) continue;
        out.push_back(f);
        out.back().status = fact_status::stale;
    }
    return out;
}

}  // namespace sigrun
