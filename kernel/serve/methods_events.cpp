#include "kernel/serve/methods.hpp"
#include "kernel/serve/tenancy.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>

namespace sigrun {
namespace {

/// One watcher; pulls on the worker pool at the pace of its reader.
class event_streamer : public std::enable_shared_from_this<event_streamer> {
public:
    event_streamer(controller& c, const call_ptr& call) : c_(c), call_(call), pause_(c.plugins.io()) {}

    void start(const call_ptr& call, std::uint64_t after, bool only_new, event_types wanted) {
        auto poke = [weak = weak_from_this()] {
            if (auto me = weak.lock()) me->poke();
        };
        call->keep(shared_from_this());
        call->on_resume(poke);
        watcher_ = c_.events.watch(after, only_new, poke, wanted);
        this->poke();
    }

private:
    void poke() {
        if (wanted_.exchange(true)) return;
        // The first of many events is told at once; while more come, they are told some at a time: to wake a thread for each would
        // cost the jobs that they are about more than they do.
        constexpr auto k_between = std::chrono::milliseconds(5);
        const auto due = last_run_.load() + k_between;
        if (std::chrono::steady_clock::now() >= due) return begin();
        boost::asio::post(pause_.get_executor(), [self = shared_from_this(), due] {
            self->pause_.expires_at(due);
            self->pause_.async_wait([self](const boost::system::error_code& gone) {
                if (!gone) self->begin();
            });
        });
    }
    void begin() {
        c_.plugins.post_work([self = shared_from_this()] { self->run(); });
    }

    void run() {
        std::lock_guard running(mutex_);
        last_run_ = std::chrono::steady_clock::now();
        wanted_ = false;
        auto call = call_.lock();
        if (!call || call->finished()) return;
        for (;;) {
            while (next_ < batch_.size()) {
                if (call->reply(to_json(batch_[next_])) < 0)
                    return;  // busy: the resume handler pokes; gone: the call goes
                ++next_;
            }
            next_ = 0;
            batch_ = watcher_->pull(256);
            if (batch_.empty()) return;
        }
    }

    controller& c_;
    const std::weak_ptr<inbound_call> call_;
    std::unique_ptr<event_log::watcher> watcher_;
    std::mutex mutex_;
    std::atomic<bool> wanted_{false};  // a run
    std::atomic<std::chrono::steady_clock::time_point> last_run_{};
    boost::asio::steady_timer pause_;  // [io]
    std::vector<event> batch_;
    std::size_t next_ = 0;
};

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> out;
    while (!list.empty()) {
        auto comma = list.find(',');
        if (comma != 0) out.emplace_back(list.substr(0, comma));
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    return out;
}

}  // namespace

void add_event_methods(router& r, controller& c) {
    r.add("events.watch", [&c](const call_input& in, const call_ptr& call) {
        if (!tenant_of(in).empty())
            return void(call->fail({errc::forbidden, "events are about the jobs of all tenants", "auth",
                                    "a token that is not bound to a tenant", sdk::concat("one of ", tenant_of(in))}));
        auto o = parse_params(in.params, {"after", "types"});
        if (!o) return void(call->fail(o.error()));
        auto after = number_param(*o, "after", 0, 0, ~0ull >> 1);
        if (!after) return void(call->fail(after.error()));
        bool only_new = !o->contains("after");
        const auto names = split(text_or(*o, "types"));
        for (const auto& name : names)
            if (!event_types_of({name}))
                return void(
                    call->fail(bad_value("types", "beginnings of event names, like Runner,JobStateChanged", name)));
        call->answers_late();
        std::make_shared<event_streamer>(c, call)->start(call, *after, only_new, event_types_of(names));
    });
}

}  // namespace sigrun
