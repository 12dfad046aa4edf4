// Recordings begin and end while others pick.
#include "kernel/base/read_section.hpp"
#include "kernel/select/selector_impl.hpp"

namespace sigrun {
namespace {

constexpr std::uint32_t k_most_picks = 1'000'000;
constexpr std::size_t k_least_bytes = 1u << 20, k_most_bytes = 1u << 30;

bool repeatable(const loaded_balancer& b) noexcept { return b.table->caps & SIGRUN_BALANCER_DETERMINISTIC; }

}  // namespace

pick_recorder* selector::impl::recorder_for(const dispatcher& d, const loaded_balancer& b) const noexcept {
    const taping* t = now_taping.load(std::memory_order_acquire);
    if (!t) return nullptr;
    return t->by->takes(&d, b.owner->abi()) ? t->by.get() : nullptr;
}

result<void> selector::impl::start_recording(std::string_view balancer, pick_recorder::limits most) {
    if (!most.picks || most.picks > k_most_picks)
        return bad_value("picks", "1 to " + std::to_string(k_most_picks), std::to_string(most.picks));
    if (most.bytes < k_least_bytes || most.bytes > k_most_bytes)
        return bad_value("bytes", "1MiB to 1GiB", std::to_string(most.bytes));
    const balancer_set& set = *owned_balancers;
    const std::size_t which = balancer.empty() ? set.default_index() : set.find(balancer);
    if (which == set.size() || !repeatable(set[which])) {
        std::string known;
        for (std::size_t i = 0; i < set.size(); ++i)
            if (repeatable(set[i])) known += (known.empty() ? "" : ", ") + set[i].name;
        return bad_value("balancer",
                         known.empty() ? "one whose picks follow from what it is asked, of which none is loaded"
                                       : "one whose picks follow from what it is asked: " + known,
                         which == set.size() ? "\"" + std::string(balancer) + "\"" : set[which].name);
    }
    const loaded_balancer& b = set[which];
    if (owned_taping) return problem{errc::busy, "a recording is under way", "balancer", "none before it", b.name};
    picks::header who{b.name, b.owner->plugin_id(), b.owner->component(), {}, 0, levels};
    if (const auto values = b.owner->values()) who.options = values->dump();
    auto tape = std::make_unique<taping>();
    tape->balancer = b.owner;
    tape->by = std::make_unique<pick_recorder>(b.table, b.owner->abi(), std::move(who), most);
    owned_taping = std::move(tape);
    now_taping.store(owned_taping.get(), std::memory_order_release);
    return {};
}

result<std::string> selector::impl::end_recording() {
    std::unique_ptr<taping> tape;
    {
        std::lock_guard lock(mutex);
        tape = std::move(owned_taping);
        now_taping.store(nullptr, std::memory_order_release);
    }
    if (!tape) return make_problem(errc::not_found, "nothing is being recorded");
    if (!wait_for_readers()) {
        tape.release();  // somebody may be inside it for all we know
        return make_problem(errc::unsupported, "this system cannot tell when the last thread has left the recording");
    }
    return tape->by->finish();
}

}  // namespace sigrun
