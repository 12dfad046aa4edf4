#include "departure.hpp"

#include "connection.hpp"

namespace sigrun::websocket {
namespace {
// For the Close frames after the cut, and for the host to close links that said BYE.
constexpr auto k_after_cut = std::chrono::seconds(4);
}  // namespace

departure::departure(core_ptr shared, const std::vector<std::unique_ptr<loop>>& loops, manner how, time_point until,
                     sdk::op done)
    : shared_(std::move(shared)), loops_(loops), how_(how), until_(until), done_(std::move(done)) {}

void departure::begin() {
    on_each(how_ == manner::retire ? +[](connection& c) { c.retire(); }
                                   : +[](connection& c) { c.end_if_idle("the daemon stops"); });
    // Nothing to wait for is told at once, not at the loop's next tick.
    loops_.front()->post([self = shared_from_this()] {
        self->loops_.front()->add(self);
        self->tick(clock::now());
    });
}

void departure::on_each(void (*what)(connection&)) {
    for (const auto& l : loops_)
        l->post([raw = l.get(), what] {
            raw->for_each([what](const std::shared_ptr<ticking>& member) {
                if (auto* one = dynamic_cast<connection*>(member.get())) what(*one);
            });
        });
}

void departure::tick(time_point now) {
    if (!done_) return;
    const std::size_t left = shared_->connections;
    if (left == 0 || (how_ == manner::drain && now >= until_)) {
        done_.ok();
        return leave();
    }
    if (how_ == manner::drain || now < until_) return;
    if (cut_) {
        done_.fail(SIGRUN_E_TIMEOUT,
                   sdk::concat("the deadline has passed; expected no connection or link to be left, found ", left));
        return leave();
    }
    cut_ = true;
    until_ = now + k_after_cut;
    on_each([](connection& c) { c.cut(); });
}

void departure::shut() {
    if (!done_) return;
    done_.fail(SIGRUN_E_CANCELLED, "the plugin is going away");
    leave();
}

void departure::leave() { loops_.front()->remove(this); }

}  // namespace sigrun::websocket
