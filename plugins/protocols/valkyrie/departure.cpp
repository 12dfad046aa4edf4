#include "departure.hpp"

#include "connection.hpp"

#include <algorithm>

namespace sigrun::valkyrie {

namespace {
constexpr std::uint64_t k_first_look_ns = 5'000'000;
constexpr std::uint64_t k_longest_pause_ns = 100'000'000;
// After the cut: a connection lingers for a second, and the host closes links that said BYE.
constexpr std::uint64_t k_after_cut_ns = 3'000'000'000;
}  // namespace

departure::departure(core_ptr shared, sdk::dial_group& dials, std::vector<loop*> all, manner how,
                     std::uint64_t deadline, sdk::op done)
    : shared_(std::move(shared)),
      dials_(dials),
      all_(std::move(all)),
      loop_(*all_.front()),
      how_(how),
      deadline_(deadline),
      pause_(k_first_look_ns),
      done_(std::move(done)) {}

departure::~departure() {
    if (done_) done_.fail(SIGRUN_E_CANCELLED, "the plugin is stopping");
}

void departure::begin() {
    if (how_ == manner::retire) on_each_connection([](connection& one) { one.retire(); });
    auto me = std::static_pointer_cast<departure>(shared_from_this());
    loop_.post([me] { me->on_deadline(now_ns()); });
}

void departure::on_each_connection(void (*what)(connection&)) {
    for (auto* each : all_)
        each->post([each, what] {
            each->each([what](io_handler& handler) {
                if (auto* one = dynamic_cast<connection*>(&handler)) what(*one);
            });
        });
}

std::size_t departure::left() const noexcept { return shared_->connections; }

void departure::on_deadline(std::uint64_t now) {
    if (!done_) return;
    if (left() == 0) return done_.ok();
    if (now >= deadline_) {
        if (how_ == manner::drain) return done_.ok();
        if (cut_)
            return done_.fail(
                SIGRUN_E_TIMEOUT,
                sdk::concat("the deadline has passed; expected no connection or link to be left, found ", left()));
        cut_ = true;
        deadline_ = now + k_after_cut_ns;
        pause_ = k_first_look_ns;
        dials_.cancel_all();
        on_each_connection([](connection& one) { one.cut(); });
    }
    if (how_ == manner::drain) on_each_connection([](connection& one) { one.end_if_idle(code::shutdown, "draining"); });
    loop_.arm(*this, std::min(now + pause_, deadline_));
    pause_ = std::min(pause_ * 2, how_ == manner::drain ? 4 * k_first_look_ns : k_longest_pause_ns);
}

}  // namespace sigrun::valkyrie
