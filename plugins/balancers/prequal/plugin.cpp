#include "latency_board.hpp"
#include "probe_pool.hpp"

#include <sigrun/cpp/balancer_plugin.hpp>
#include <sigrun/cpp/expected_cost.hpp>
#include <sigrun/cpp/slot_sampler.hpp>

#include <algorithm>

namespace sigrun::prequal {
namespace {

using sdk::load_once;

constexpr sigrun_opt k_options[] = {
    sdk::option(
        "hot_quantile", SIGRUN_OPT_FLOAT,
        {.def = "0.84",
         .doc = "A runner with more load than this share of those seen lately is hot: it is chosen by load, the "
                "others by latency.",
         .min = 0,
         .max = 1}),
};

class balancer;

class picker {
public:
    explicit picker(balancer& whole);

    template <class Bits>
    [[gnu::always_inline]] void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                     sigrun_pick& out) noexcept {
        sdk::bit_source bits(req.rng);
        now_ns_ = req.now_ns;
        uses_ = uses_of_a_probe(view.n_slots);
        const bool explore = req.flags & SIGRUN_REQ_EXPLORE;
        const std::uint32_t want = std::clamp<std::uint32_t>(req.want_k, 1, 4);
        std::uint32_t drawn[4];
        const std::uint32_t n = sampler_.draw_any<Bits>(view, req, pages, bits, std::max(want, 2u), drawn).n;
        if (!n) return;
        choose(view, pages, drawn, n, want, explore, bits.next(), out);
    }
    void done(const sigrun_done& d) noexcept;

private:
    void choose(const sigrun_view& view, const std::uint64_t* pages, const std::uint32_t* drawn, std::uint32_t n,
                std::uint32_t want, bool explore, std::uint64_t random, sigrun_pick& out) noexcept;
    state state_of(const sigrun_view& view, std::uint32_t slot) const noexcept;

    sdk::slot_sampler sampler_;
    latency_board& board_;
    probe_pool pool_;
    load_quantile loads_;
    std::uint64_t now_ns_ = 0;
    std::uint32_t uses_ = 1;
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader& config) : hot_quantile(config.real("hot_quantile")) {}

    const void* interface(std::string_view id) noexcept {
        constexpr std::uint32_t k_caps = SIGRUN_BALANCER_NEEDS_FEEDBACK | SIGRUN_BALANCER_THREAD_LOCAL_STATE;
        return id == SIGRUN_KIND_BALANCER ? sdk::balancer_table<balancer, picker, k_caps>() : nullptr;
    }
    const double hot_quantile;
    latency_board board;
};

picker::picker(balancer& whole) : board_(whole.board), loads_(whole.hot_quantile) {}

/// Can it take a job of these pages now? The hot word says in which plane its bit would be.
bool usable(const sigrun_view& view, const std::uint64_t* pages, std::uint32_t slot) noexcept {
    const std::uint32_t page = slot >> 6;
    if (page >= view.n_pages || !(load_once(pages[page >> 6]) >> (page & 63u) & 1)) return false;
    const std::uint64_t word = load_once(view.hot[slot]);
    return sdk::idle_slots(view, SIGRUN_HOT_TIER(word), page) >> (slot & 63u) & 1;
}

state picker::state_of(const sigrun_view& view, std::uint32_t slot) const noexcept {
    const std::uint32_t jobs = SIGRUN_HOT_INFLIGHT(load_once(view.hot[slot]));
    const std::uint32_t places =
        std::max<std::uint32_t>(load_once(view.cohort[load_once(view.page_cohort[slot >> 6])].places), 1);
    state s;
    s.load = jobs * 256 / places;
    s.latency = board_.expected(slot, jobs, now_ns_).value_or(log_latency{0});
    s.hot = s.load > loads_.threshold();
    return s;
}

void picker::choose(const sigrun_view& view, const std::uint64_t* pages, const std::uint32_t* drawn, std::uint32_t n,
                    std::uint32_t want, bool explore, std::uint64_t random, sigrun_pick& out) noexcept {
    struct rated {
        std::uint32_t slot;
        state now;
    };
    pool_.drop_old(now_ns_);
    // This thread may get few results or none: then random runners fill the pool.
    pool_.add(drawn[0], now_ns_, uses_);
    if (n > 1 && pool_.size() < probe_pool::k_size / 2) pool_.add(drawn[1], now_ns_, uses_);
    // The best of the usable ones; of equals the first, and everybody can be that.
    rated best[4];
    std::uint32_t found = 0, n_usable = 0;
    auto offer = [&](std::uint32_t slot, const state& s) {
        if (found == want && !s.better_than(best[found - 1].now)) return;
        std::uint32_t at = found < want ? found++ : found - 1;
        for (; at && s.better_than(best[at - 1].now); --at) best[at] = best[at - 1];
        best[at] = {slot, s};
    };
    const std::uint32_t size = pool_.size(), first = static_cast<std::uint32_t>((random >> 32) * size >> 32);
    for (std::uint32_t k = 0; k < size; ++k) {
        probe& p = pool_[first + k < size ? first + k : first + k - size];
        p.now = state_of(view, p.slot);
        loads_.see(p.now.load);
        if (!usable(view, pages, p.slot)) continue;
        ++n_usable;
        if (!explore) offer(p.slot, p.now);
    }
    auto known = [&](std::uint32_t slot) {
        return std::any_of(best, best + found, [slot](const rated& b) { return b.slot == slot; });
    };
    if (explore || n_usable < 2)
        for (std::uint32_t i = 0; i < (explore ? 1u : std::min(n, 2u)); ++i)
            if (!known(drawn[i])) offer(drawn[i], state_of(view, drawn[i]));
    for (std::uint32_t i = 0; i < found; ++i) out.slot[i] = best[i].slot;
    out.n = static_cast<std::uint8_t>(found);
    for (std::uint32_t i = 0; i < n && out.n < want; ++i)
        if (!known(drawn[i])) out.slot[out.n++] = drawn[i];
    out.reason = explore ? SIGRUN_WHY_EXPLORE : best[0].now.hot ? SIGRUN_WHY_HCL_HOT : SIGRUN_WHY_HCL_COLD;
    out.score_q = static_cast<std::uint16_t>(best[0].now.latency);
    board_.arrived(out.slot[0], SIGRUN_HOT_INFLIGHT(load_once(view.hot[out.slot[0]])));
    pool_.use(out.slot[0]);
    pool_.drop_one();
}

void picker::done(const sigrun_done& d) noexcept {
    log_latency took = 0;  // a job that failed by its own fault says nothing about the runner
    if (d.status == 2)
        took = k_failed;
    else if (d.status == 0)
        took = static_cast<log_latency>(
            sdk::log2_256(static_cast<std::uint32_t>(std::min<std::uint64_t>(d.exec_us, ~0u - 2u)) + 2));
    board_.ended(d.slot, took, now_ns_);
    pool_.add(d.slot, now_ns_, uses_);
}

}  // namespace
}  // namespace sigrun::prequal

SIGRUN_PLUGIN("sigrun.prequal", "1.0.0", "Low latency where load is low, low load elsewhere", 0,
              sigrun::sdk::component<sigrun::prequal::balancer>(
                  "prequal", SIGRUN_KIND_BALANCER,
                  "Takes the fastest of the lightly loaded runners it knows, or the least loaded if all are busy",
                  sigrun::prequal::k_options))
