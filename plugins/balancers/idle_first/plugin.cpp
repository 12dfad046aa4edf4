#include <sigrun/cpp/balancer_plugin.hpp>
#include <sigrun/cpp/slot_sampler.hpp>

#include <algorithm>

namespace sigrun::idle_first {
namespace {

class balancer;

class picker {
public:
    explicit picker(const balancer&) {}

    template <class Bits>
    [[gnu::always_inline]] void pick(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                                     sigrun_pick& out) noexcept {
        sdk::bit_source bits(req.rng);
        const std::uint32_t want = std::clamp<std::uint32_t>(req.want_k, 1, 4);
        const bool explore = req.flags & SIGRUN_REQ_EXPLORE;
        const auto got = explore ? sampler_.draw_any<Bits>(view, req, pages, bits, want, out.slot)
                                 : sampler_.draw_lowest<Bits>(view, req, pages, bits, want, out.slot);
        if (!got.n) return;  // the job waits for the first place that becomes free
        out.n = static_cast<std::uint8_t>(got.n);
        out.reason = explore ? SIGRUN_WHY_EXPLORE : SIGRUN_WHY_IDLE_TIER;
        out.tier = static_cast<std::uint8_t>(got.tier);
    }

private:
    sdk::slot_sampler sampler_;
};

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader&) {}

    const void* interface(std::string_view id) noexcept {
        constexpr std::uint32_t k_caps = SIGRUN_BALANCER_THREAD_LOCAL_STATE | SIGRUN_BALANCER_DETERMINISTIC;
        return id == SIGRUN_KIND_BALANCER ? sdk::balancer_table<balancer, picker, k_caps>() : nullptr;
    }
};

}  // namespace
}  // namespace sigrun::idle_first

SIGRUN_PLUGIN("sigrun.idle_first", "1.0.0", "A random runner of the best tier, or wait for a free place", 0,
              sigrun::sdk::component<sigrun::idle_first::balancer>(
                  "idle_first", SIGRUN_KIND_BALANCER,
                  "Takes a random runner of those that are least loaded for their speed"))
