#include "check_host.hpp"

#include "check_host_parts.hpp"

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>

#include <atomic>
#include <barrier>
#include <chrono>
#include <thread>

namespace sigrun::check {

thread_local thread_state t_thread;

check_host::~check_host() = default;

void check_host::here(tag as, std::string_view slot, const std::function<void()>& body) {
    const thread_state before = t_thread;
    t_thread.as = as;
    t_thread.slot = slot;
    report_.step(slot);
    try {
        body();
    } catch (const std::exception& e) {
        report_.fail("life/exception", sdk::concat(slot, " lets no exception out"), e.what());
    } catch (...) {
        report_.fail("life/exception", sdk::concat(slot, " lets no exception out"), "one that is no std::exception");
    }
    t_thread = before;
}

void check_host::on_lane(tag as, std::string_view slot, const std::function<void()>& body) {
    struct job {
        check_host& host;
        tag as;
        std::string_view slot;
        const std::function<void()>& body;
        std::mutex mutex;
        std::condition_variable changed;
        bool done = false;
    } what{*this, as, slot, body, {}, {}, false};
    const sdk::mock::task task{[](void* p) {
                                   auto& j = *static_cast<job*>(p);
                                   j.host.here(j.as, j.slot, j.body);
                                   std::lock_guard lock(j.mutex);
                                   j.done = true;
                                   j.changed.notify_all();
                               },
                               &what};
    if (as == tag::ctl) {
        sched_.ctl.post(task);
    } else if (as == tag::io) {
        sched_.io.post(task);
    } else {
        sched_.work.post(task);
    }
    std::unique_lock lock(what.mutex);
    what.changed.wait(lock, [&] { return what.done; });
}

bool check_host::enter(std::string_view slot, bool can_fail, bool has_effect) {
    {
        std::lock_guard lock(mutex_);
        auto found = asked_.find(t_thread.slot);
        if (found == asked_.end()) found = asked_.emplace(t_thread.slot, asked{}).first;
        ++found->second.calls;
        found->second.effects += has_effect;
    }
    if (t_thread.as == tag::hot)
        report_.fail("kind/pick-calls-host", sdk::concat("no call into the host from ", t_thread.slot),
                     sdk::concat("a call of ", slot));
    // How else would a new thread come to thread_enter?
    if (t_thread.as == tag::foreign && slot != "get_service")
        report_.fail("threads/unregistered", "every thread of the plugin calls thread_enter first",
                     sdk::concat("a call of ", slot, " from a thread that the host does not know"));
    if (!t_thread.inside) {
        std::function<void(std::string_view)> reenter;
        {
            std::lock_guard lock(mutex_);
            reenter = reenter_;
        }
        if (reenter) {
            t_thread.inside = true;
            reenter(slot);
            t_thread.inside = false;
        }
    }
    if (can_fail && ++fallible_ == withheld_.fail_call) {
        std::lock_guard lock(mutex_);
        injected_ = slot;
        return false;
    }
    return true;
}

sigrun_op check_host::mint(std::string_view what) {
    std::lock_guard lock(mutex_);
    ops_.push_back({std::string(what), false, {}});
    return ops_.size();
}

void check_host::forget(sigrun_op op) {
    std::lock_guard lock(mutex_);
    auto& record = ops_.at(op - 1);
    if (record.how.done)
        report_.fail("threads/completed-once", sdk::concat("an op whose ", record.what, " failed is not completed"),
                     "it was completed, too");
    record.is_void = true;
}

check_host::completion check_host::wait(sigrun_op op, int limit_ms) {
    std::unique_lock lock(mutex_);
    auto& record = ops_.at(op - 1);
    changed_.wait_for(lock, std::chrono::milliseconds(limit_ms < 0 ? patience_ms_ : limit_ms),
                      [&] { return record.how.done; });
    return record.how;
}

bool check_host::completed(sigrun_op op) const {
    std::lock_guard lock(mutex_);
    return ops_.at(op - 1).how.done;
}

void check_host::set_reentry(std::function<void(std::string_view)> reenter) {
    std::lock_guard lock(mutex_);
    reenter_ = std::move(reenter);
}

std::string check_host::open_ops() const {
    std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& op : ops_)
        if (!op.how.done && !op.is_void) out += (out.empty() ? "" : ", ") + op.what;
    return out;
}

std::size_t check_host::live_buffers() const {
    std::lock_guard lock(mutex_);
    std::size_t n = 0;
    for (const auto& b : buffers_) n += b->references > 0;
    return n;
}

std::string check_host::live_threads() const {
    std::lock_guard lock(mutex_);
    std::string out;
    for (const auto& [id, name] : threads_) out += (out.empty() ? "" : ", ") + name;
    return out;
}

std::size_t check_host::live_timers() const {
    std::lock_guard lock(mutex_);
    std::size_t n = 0;
    for (const auto& s : scheduled_) n += s->live;
    return n;
}

check_host::asked check_host::asked_by(std::string_view slot) const {
    std::lock_guard lock(mutex_);
    auto found = asked_.find(slot);
    return found == asked_.end() ? asked{} : found->second;
}

void check_host::settle() {
    // A task for each thread of a lane, which waits for the others: when all are there, everything before has returned.
    auto meet = [](auto& lane, std::ptrdiff_t threads) {
        struct meeting {
            std::barrier<> all;
            std::atomic<std::ptrdiff_t> left;
        } here{std::barrier<>(threads + 1), threads};
        for (std::ptrdiff_t i = 0; i < threads; ++i)
            lane.post({[](void* p) {
                           auto& m = *static_cast<meeting*>(p);
                           m.all.arrive_and_wait();
                           --m.left;
                       },
                       &here});
        here.all.arrive_and_wait();
        while (here.left) std::this_thread::yield();
    };
    for (int round = 0; round < 2; ++round) {  // what ran on one lane may have posted to another
        meet(sched_.io, 1);
        meet(sched_.ctl, 1);
        meet(sched_.work, 2);
        meet(answers_, 1);
    }
}

std::string check_host::injected() const {
    std::lock_guard lock(mutex_);
    return injected_;
}

}  // namespace sigrun::check
