#include "departure.hpp"

#include "connection.hpp"

namespace sigrun::websocket {
namespace {
// For the Close frames after the cut, and for the host to close links that said BYE.
constexpr auto k_after_cut = std::chrono::seconds(4);

connection* as_connection(ticking& member) { return dynamic_cast<connection*>(&member); }
}  // namespace

departure::departure(core_ptr shared, const std::vector<std::unique_ptr<loop>>& loops, sdk::dial_group* dials,
                     manner how, time_point until, sdk::op done)
    : shared_(std::move(shared)), loops_(loops), dials_(dials), how_(how), until_(until), done_(std::move(done)) {}

void departure::begin() {
    if (how_ == manner::retire) {
        on_each([](ticking& member) {
            if (auto* one = as_connection(member)) one->retire();
        });
    } else {
        on_each([](ticking& member) {
            if (auto* one = as_connection(member)) one->end_if_idle("the daemon stops");
        });
    }
    // Nothing to wait for is told at once, not at the loop's next tick.
    loops_.front()->post([self = shared_from_this()] {
        self->loops_.front()->add(self);
        self->tick(clock::now());
    });
}

void departure::on_each(void (*what)(ticking&)) {
    for (const auto& l : loops_)
        l->post([raw = l.get(), what] {
            raw->for_each([what](const std::shared_ptr<ticking>& member) { what(*member); });
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
    if (dials_) dials_->cancel_all();
    on_each([](ticking& member) {
        if (auto* one = as_connection(member)) return one->cut();
        if (!dynamic_cast<departure*>(&member)) member.shut();  // a request whose head has not ended
    });
}

void departure::shut() {
    if (!done_) return;
    done_.fail(SIGRUN_E_CANCELLED, "the plugin is going away");
    leave();
}

void departure::leave() { loops_.front()->remove(this); }

}  // namespace sigrun::websocket
