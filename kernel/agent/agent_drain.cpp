// The end of an agent: let it finish, hand back what does not, leave nothing running.
#include "kernel/agent/agent.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

#include <future>

namespace sigrun {
namespace {

// After the processes are gone: time for final states to be acknowledged by a controller that may be away.
constexpr std::chrono::seconds k_last_words{5};
constexpr std::chrono::seconds k_stop_limit{15};

}  // namespace

void agent::drain(nanoseconds limit, std::string reason, std::function<void()> done) {
    {
        std::lock_guard lock(mutex_);
        if (draining_) return;
        draining_ = true;
        drained_ = std::move(done);
    }
    table_->stop_accepting();
    SIGRUN_LOG(logs::agent, info, "draining: ", reason, "; ", table_->used(), " jobs run");
    auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit).count();
    send_to_all(SIGRUN_DRAIN, json::serialize(json::object{{"reason", reason}, {"deadline_ms", ms}}));
    boost::asio::post(host_.io(), [self = shared_from_this(), limit] {
        self->drain_timer_.expires_after(limit);
        self->drain_timer_.async_wait([weak = self->weak_from_this()](boost::system::error_code ec) {
            auto me = weak.lock();
            if (me && !ec) me->end_what_runs(me->options_.kill_grace);
        });
        self->check_drained();
    });
}

std::size_t agent::hand_over() {
    table_->stop_accepting();
    return table_->used();
}

void agent::abort() { end_what_runs(nanoseconds(0)); }

void agent::end_what_runs(nanoseconds grace) {
    {
        std::lock_guard lock(mutex_);
        preempting_ = true;
    }
    table_->stop_accepting();
    table_->cancel_all(grace, end_cause::preempted);
    boost::asio::post(host_.io(), [self = shared_from_this(), grace] {
        // Kept short of the executor's own limits, so that the program ends even if a process cannot be killed.
        self->drain_timer_.expires_after(grace + k_last_words);
        self->drain_timer_.async_wait([weak = self->weak_from_this()](boost::system::error_code ec) {
            auto me = weak.lock();
            if (!me || ec) return;
            std::function<void()> done;
            {
                std::lock_guard lock(me->mutex_);
                done.swap(me->drained_);
            }
            if (done) done();
        });
        self->check_drained();
    });
}

void agent::check_drained() {
    std::function<void()> done;
    {
        std::lock_guard lock(mutex_);
        changed_.notify_all();
        if (!drained_ || !table_) return;
        // Without a link nobody can acknowledge; after the deadline nobody is waited for.
        bool settled = table_->open() == 0 || (table_->used() == 0 && preempting_ && links_.empty());
        if (!settled) return;
        done.swap(drained_);
    }
    done();
}

void agent::stop() {
    {
        std::lock_guard lock(mutex_);
        if (stopped_) return;
        stopped_ = true;
        drained_ = nullptr;
    }
    benchmark_->stop();
    if (table_) {
        table_->stop_accepting();
        table_->cancel_all(nanoseconds(0), end_cause::preempted);
    }
    send_to_all(SIGRUN_BYE, R"({"reason":"the runner stops"})");
    for (const auto& u : uplinks_) u->stop();
    for (const auto& l : links())
        if (auto via = l->via.lock()) via->close();
    {
        std::lock_guard lock(mutex_);
        links_.clear();
    }
    frames_.close();
    // The timers live on the io thread; when this has run there, none of them will fire again.
    std::promise<void> quiet;
    boost::asio::post(host_.io(), [&] {
        tick_.cancel();
        facts_timer_.cancel();
        drain_timer_.cancel();
        quiet.set_value();
    });
    quiet.get_future().wait();
    // What this does not wait for ends when the executors are destroyed.
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, k_stop_limit, [&] { return !table_ || table_->used() == 0; });
}

}  // namespace sigrun
