// The service sched/1 over the lanes of the runtime.
#include "kernel/guard/crash_reporter.hpp"
#include "kernel/plugin/guest.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>

namespace sigrun {
namespace {

constexpr std::int64_t k_max_posted = 65536;  // of one generation

// Counts one posted function for as long as it exists, run or not.
class posted_call {
public:
    posted_call(schedule_count count, sigrun_fn fn, void* ctx) noexcept : count_(std::move(count)), fn_(fn), ctx_(ctx) {
        count_->fetch_add(1);
    }
    posted_call(const posted_call& o) noexcept : posted_call(o.count_, o.fn_, o.ctx_) {}
    posted_call& operator=(const posted_call&) = delete;
    ~posted_call() { count_->fetch_sub(1); }
    void operator()() const { fn_(ctx_); }

private:
    schedule_count count_;
    sigrun_fn fn_;
    void* ctx_;
};

// Runs `body` with the runtime of a live guest; allocation failures become a result.
template <class Body>
sigrun_result on_live(const sigrun_host* host, Body&& body) noexcept {
    guest& owner = host_face::of(host).owner;
    if (owner.retired()) return SIGRUN_E_CANCELLED;
    try {
        return body(owner);
    } catch (const std::bad_alloc&) {
        return SIGRUN_E_NOMEM;
    } catch (const std::exception&) {
        return SIGRUN_E_INTERNAL;
    }
}

sigrun_result post(const sigrun_host* host, std::uint32_t lane, sigrun_fn fn, void* ctx) noexcept {
    if (!fn) return SIGRUN_E_INVALID;
    return on_live(host, [&](guest& owner) -> sigrun_result {
        if (owner.posted->load() >= k_max_posted) return SIGRUN_E_BUSY;
        posted_call call(owner.posted, fn, ctx);
        switch (lane) {
            case SIGRUN_LANE_CTL: boost::asio::post(owner.rt->control, call); return SIGRUN_OK;
            case SIGRUN_LANE_IO: boost::asio::post(owner.rt->io, call); return SIGRUN_OK;
            case SIGRUN_LANE_WORK: return owner.rt->work.post(call) ? SIGRUN_OK : SIGRUN_E_BUSY;
            default: return SIGRUN_E_INVALID;
        }
    });
}

sigrun_result timer(const sigrun_host* host, std::uint64_t delay_ns, std::uint64_t period_ns, sigrun_fn fn, void* ctx,
                    std::uint64_t* id) noexcept {
    if (!fn || !id) return SIGRUN_E_INVALID;
    return on_live(host, [&](guest& owner) -> sigrun_result {
        return owner.rt->timers->add_timer(owner.scheduled, delay_ns, period_ns, fn, ctx, *id);
    });
}

sigrun_result fd_watch(const sigrun_host* host, std::int32_t fd, std::uint32_t events, schedule::watch_fn cb, void* ctx,
                       std::uint64_t* id) noexcept {
    if (!cb || !id || !events || (events & ~std::uint32_t{SIGRUN_FD_READ | SIGRUN_FD_WRITE})) return SIGRUN_E_INVALID;
    return on_live(host, [&](guest& owner) -> sigrun_result {
        return owner.rt->timers->add_watch(owner.scheduled, fd, events, cb, ctx, *id);
    });
}

sigrun_result stop(const sigrun_host* host, std::uint64_t id, sigrun_fn done, void* done_ctx) noexcept {
    return on_live(host, [&](guest& owner) { return owner.rt->timers->stop(id, done, done_ctx); });
}

sigrun_result thread_enter(const sigrun_host* host, sigrun_str name, std::uint64_t* token) noexcept {
    return on_live(host, [&](guest& owner) -> sigrun_result {
        std::string text(sdk::view(name).substr(0, 64));
        std::uint64_t entered = owner.thread_entered(text);
        if (token) *token = entered;
        if (!text.empty()) name_thread(text);
        use_alternate_stack();
        return SIGRUN_OK;
    });
}

void thread_leave(const sigrun_host* host, std::uint64_t token) noexcept {
    host_face::of(host).owner.thread_left(token);  // also when retired, so that the count is right
}

}  // namespace

const sigrun_svc_sched& sched_service() noexcept {
    static constexpr sigrun_svc_sched table{
        sizeof(sigrun_svc_sched), 0, &post, &timer, &fd_watch, &stop, &thread_enter, &thread_leave};
    return table;
}

}  // namespace sigrun
