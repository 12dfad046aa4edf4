#include "kernel/serve/methods.hpp"

#include <algorithm>

namespace sigrun {
namespace {

/// One watcher; pulls on the worker pool at the pace of its reader.
class event_streamer : public std::enable_shared_from_this<event_streamer> {
public:
    event_streamer(controller& c, std::vector<std::string> types, const call_ptr& call)
        : c_(c), types_(std::move(types)), call_(call) {}

    void start(const call_ptr& call, std::uint64_t after, bool only_new) {
        auto poke = [weak = weak_from_this()] {
            if (auto me = weak.lock()) me->poke();
        };
        call->keep(shared_from_this());
        call->on_resume(poke);
        watcher_ = c_.events.watch(after, only_new, poke);
        this->poke();
    }

private:
    void poke() {
        if (wanted_.exchange(true)) return;
        c_.plugins.post_work([self = shared_from_this()] { self->run(); });
    }

    bool wants(const event& e) const {
        if (types_.empty() || e.type == event_type::gap) return true;
        auto name = to_string(e.type);
        return std::any_of(types_.begin(), types_.end(), [&](const auto& t) { return name.substr(0, t.size()) == t; });
    }

    void run() {
        std::lock_guard running(mutex_);
        wanted_ = false;
        auto call = call_.lock();
        if (!call || call->finished()) return;
        for (;;) {
            while (next_ < batch_.size()) {
                if (wants(batch_[next_])) {
                    auto r = call->reply(to_json(batch_[next_]));
                    if (r < 0) return;  // busy: the resume handler pokes; gone: the call goes away
                }
                ++next_;
            }
            next_ = 0;
            batch_ = watcher_->pull(256);
            if (batch_.empty()) return;
        }
    }

    controller& c_;
    const std::vector<std::string> types_;
    const std::weak_ptr<inbound_call> call_;
    std::unique_ptr<event_log::watcher> watcher_;
    std::mutex mutex_;
    std::atomic<bool> wanted_{false};
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
        auto o = parse_params(in.params, {"after", "types"});
        if (!o) return void(call->fail(o.error()));
        auto after = number_param(*o, "after", 0, 0, ~0ull >> 1);
        if (!after) return void(call->fail(after.error()));
        bool only_new = !o->contains("after");
        std::make_shared<event_streamer>(c, split(text_or(*o, "types")), call)->start(call, *after, only_new);
    });
}

}  // namespace sigrun
