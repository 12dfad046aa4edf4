#include "kernel/capability/isolated_probe.hpp"

#include "kernel/base/id.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/base/time_text.hpp"
#include "kernel/log/loggers.hpp"
#include "kernel/plugin/generation.hpp"

#include <algorithm>
#include <utility>

namespace sigrun {
namespace {

constexpr std::chrono::seconds k_start_limit{5};  // for the process to come up; a run's own limits count afterwards
constexpr std::chrono::seconds k_idle{60};
// What a probe leaks is given back with its process: when that has grown since it had found its size, has too many descriptors, or
// has had this many runs, or some fewer: probes run together, and not all of them shall need another process at the same time.
constexpr unsigned k_runs = 1000, k_settled = 8;
constexpr std::size_t k_most_growth = 8 * 1024 * 1024, k_most_descriptors = 128;
constexpr std::size_t k_max_run_bytes = 16 * 1024 * 1024;
constexpr unsigned k_max_run_lines = 256;  // of the log
constexpr const char* k_stopped = "detection was stopped";

}  // namespace

isolated_probe::isolated_probe(plugin_host& host, const clock& clk, std::shared_ptr<instance> target,
                               std::string program, std::shared_ptr<probe_activity> activity)
    : host_(host),
      clock_(clk),
      target_(std::move(target)),
      program_(std::move(program)),
      activity_(std::move(activity)) {}

isolated_probe::~isolated_probe() {
    if (session_) session_->close();
}

void isolated_probe::run(std::string sysroot, std::shared_ptr<isolated_run> whose) {
    {
        guard lock(mutex_);
        whose_ = std::move(whose);
        sysroot_ = std::move(sysroot);
        ++number_;
        asked_ = cancelled_ = gave_up_ = false;
        bytes_ = lines_ = 0;
        if (stopped_) return finish(lock, fact_status::timeout, k_stopped);
    }
    go_on();
}

// [work]
void isolated_probe::go_on() {
    guard lock(mutex_);
    if (!whose_ || asked_ || ending_) return;  // a process that ends is waited for
    if (session_ && ready_ && (values_ != target_->values() || worn_)) {
        ending_ = true;
        return session_->close();
    }
    if (!session_) {
        std::string why;
        fact_status status{};
        if (!may_start(why, status)) return finish(lock, status, why);
        if (auto started = start(); !started) return finish(lock, fact_status::error, started.error().text());
    }
    if (ready_) ask(lock);
}

bool isolated_probe::may_start(std::string& why, fact_status& status) {
    if (corpse_ && health_.pause_left(clock_.now()) <= nanoseconds(0)) {
        if (corpse_->look())
            corpse_.reset();
        else
            health_.stuck(clock_.now());
    }
    if (corpse_) {
        status = fact_status::timeout;
        why = "quarantined: its process " + std::to_string(corpse_->id()) +
              " hangs in the system and cannot be ended; looked at again in " +
              span_of_time(health_.pause_left(clock_.now()).count());
        return false;
    }
    status = fact_status::error;
    why = health_.disabled();
    return why.empty();
}

result<void> isolated_probe::start() {
    values_ = target_->values();
    owned_fd socket;
    SIGRUN_TRY(process, probe_process::start(program_, target_->code()->copy(), socket));
    session_ =
        std::make_shared<probe_session>(host_, activity_, weak_from_this(), std::move(process), std::move(socket));
    ready_ = ending_ = false;
    runs_ = 0;
    worn_ = false;
    most_runs_ = k_runs - static_cast<unsigned>(random_u64() % (k_runs / 2));
    session_->begin();
    session_->send(frame_bytes(probe_word::load, first_words(values_.get())));
    timer_.emplace(host_.io(), k_start_limit);
    timer_->async_wait([weak = weak_from_this(), here = std::make_shared<probe_activity::presence>(activity_)](
                           const boost::system::error_code& ec) {
        if (auto me = ec ? nullptr : weak.lock()) me->start_took_too_long();
    });
    return {};
}

std::string isolated_probe::first_words(const bound_section* values) const {
    json::object words{{"component", target_->component()}, {"name", target_->name()}};
    words["sha256"] = target_->code()->sha256();
    auto& options = words["values"].emplace_object();
    if (values)
        for (const auto& [key, value] : values->written()) options[key] = value;
    int level = 0;
    for (auto each : {log_level::error, log_level::warning, log_level::info, log_level::debug, log_level::trace})
        if (logs::capability.enabled(each)) level = static_cast<int>(each);
    words["log_level"] = level;
    return json::serialize(words);
}

void isolated_probe::start_took_too_long() {
    guard lock(mutex_);
    if (!session_ || ready_ || ending_) return;
    slow_ = ending_ = true;
    session_->kill("its process was not ready within " + format_duration(k_start_limit));
}

void isolated_probe::ask(guard& lock) {
    asked_ = true;
    ++runs_;
    timer_.reset();
    const auto whose = whose_;
    const auto session = session_;
    const auto number = number_;
    json::object task{{"scope", "machine"}, {"sysroot", sysroot_}};
    lock.unlock();
    const auto deadline = whose->begins();
    if (!deadline) {
        lock.lock();
        if (number == number_) finish(lock, fact_status::ok, {});
        return;
    }
    task["deadline_ns"] = *deadline;
    session->send(frame_bytes(probe_word::run, number, json::serialize(task)));
    lock.lock();
    // Cancelled before it was told of it: once more, now that it knows the number.
    if (cancelled_ && number == number_ && session == session_)
        session_->send(frame_bytes(probe_word::cancel, number_, {}));
}

void isolated_probe::finish(guard& lock, fact_status status, const std::string& detail) {
    const auto whose = std::exchange(whose_, nullptr);
    lock.unlock();
    if (whose) whose->over(status, detail);
}

void isolated_probe::cancel() {
    guard lock(mutex_);
    cancelled_ = whose_ != nullptr;
    if (whose_ && asked_ && session_) session_->send(frame_bytes(probe_word::cancel, number_, {}));
}

void isolated_probe::give_up() {
    guard lock(mutex_);
    if (!whose_ || !asked_ || !session_ || ending_) return;
    gave_up_ = ending_ = true;
    session_->kill();
}

void isolated_probe::forgive() {
    guard lock(mutex_);
    health_.forgive();
}

void isolated_probe::stop() {
    guard lock(mutex_);
    stopped_ = true;
    timer_.reset();
    const auto session = std::exchange(session_, nullptr);
    if (session) session->kill();
    finish(lock, fact_status::timeout, k_stopped);
}

// Keeps the process for the next run, but not for ever.
void isolated_probe::wait_for_more() {
    timer_.emplace(host_.io(), k_idle);
    timer_->async_wait([weak = weak_from_this(), here = std::make_shared<probe_activity::presence>(activity_)](
                           const boost::system::error_code& ec) {
        auto me = ec ? nullptr : weak.lock();
        if (!me) return;
        guard lock(me->mutex_);
        if (!me->session_ || me->whose_ || me->ending_) return;
        me->ending_ = true;
        me->session_->close();
    });
}

// After a run.
bool isolated_probe::is_worn() {
    if (runs_ >= most_runs_) return true;
    const auto now = usage_of(session_->process_id());
    if (runs_ <= k_settled) settled_bytes_ = now.resident_bytes;
    return now.resident_bytes > settled_bytes_ + k_most_growth || now.descriptors > k_most_descriptors;
}

// Its last run is over: another process takes its place before somebody waits for it.
void isolated_probe::retire() {
    guard lock(mutex_);
    if (!session_ || whose_ || ending_ || !worn_) return;
    ending_ = true;
    session_->close();
}

// [work]
void isolated_probe::start_ahead() {
    guard lock(mutex_);
    std::string why;
    fact_status status{};
    if (whose_ || session_ || stopped_ || !may_start(why, status)) return;
    if (const auto started = start(); !started)
        SIGRUN_LOG(logs::capability, warning, "probe ", target_->name(), ": ", started.error().text());
}

void isolated_probe::heard(probe_session& from, const probe_frame& frame) {
    guard lock(mutex_);
    if (&from != session_.get() || ending_) return;
    const auto wrong = [&](std::string why) {
        ending_ = true;
        session_->kill(std::move(why));
    };
    const auto part = split_number(frame.payload);
    const bool mine = part && whose_ && asked_ && part->number == number_;
    switch (frame.word) {
        case probe_word::ready:
            ready_ = true;
            if (!whose_) wait_for_more();
            lock.unlock();
            return go_on();
        case probe_word::refused: return wrong("it cannot be used there: " + std::string(frame.payload.substr(0, 512)));
        case probe_word::log: return log(frame.payload);
        case probe_word::facts: {
            if (!mine) return;  // of a run that is over
            bytes_ += part->rest.size();
            if (bytes_ > k_max_run_bytes) return wrong("it sent more than 16 MiB in one run");
            const auto whose = whose_;
            lock.unlock();
            return whose->sent(part->rest);
        }
        case probe_word::done:
            if (!mine) return;
            health_.worked();
            worn_ = is_worn();
            wait_for_more();
            finish(lock, part->rest.empty() ? fact_status::ok : fact_status::error, std::string(part->rest));
            return retire();
        default: return wrong("it sent what only its parent says");
    }
}

void isolated_probe::log(std::string_view payload) {
    if (payload.empty() || lines_ > k_max_run_lines) return;
    auto lines = logger::get("plugin/" + target_->name());
    if (lines_++ == k_max_run_lines)
        return lines.write(log_level::warning, "writes too much; more lines of this run are left out");
    const auto level = static_cast<log_level>(std::clamp<int>(payload.front(), 1, 5));
    if (lines.enabled(level)) lines.write(level, std::string(payload.substr(1)));
}

void isolated_probe::ended(probe_session& which, std::optional<int> status, const std::string& why) {
    guard lock(mutex_);
    if (&which != session_.get()) return;
    session_.reset();
    timer_.reset();
    const bool asked_to = ending_ && why.empty();
    const bool slow = std::exchange(slow_, false);
    ready_ = ending_ = false;
    if (!status) {
        corpse_ = which.take_process();
        health_.stuck(clock_.now());
        std::string detail;
        fact_status timeout{};
        may_start(detail, timeout);
        SIGRUN_LOG(logs::capability, error, "probe ", target_->name(), ": ", detail);
        return finish(lock, timeout, detail);
    }
    if (slow) {  // as on a busy machine: no crash
        SIGRUN_LOG(logs::capability, warning, "probe ", target_->name(), ": ", why);
        return finish(lock, fact_status::timeout, why);
    }
    if (!asked_to) {
        const std::string how = why.empty() ? "its process ended " + how_it_ended(*status) : why;
        SIGRUN_LOG(logs::capability, warning, "probe ", target_->name(), ": ", how);
        if (health_.crashed(clock_.now(), how))
            SIGRUN_LOG(logs::capability, error, "probe ", target_->name(), ": ", health_.disabled());
        return finish(lock, fact_status::error, how);
    }
    if (gave_up_) return finish(lock, fact_status::timeout, "the probe did not answer within its hard limit");
    const bool wanted = whose_ != nullptr;
    if (!wanted && !worn_) return;
    lock.unlock();
    host_.post_work([weak = weak_from_this(), wanted] {
        const auto me = weak.lock();
        if (me) wanted ? me->go_on() : me->start_ahead();
    });
}

}  // namespace sigrun
