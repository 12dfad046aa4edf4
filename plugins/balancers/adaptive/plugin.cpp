#include "class_watch.hpp"
#include "policy_names.hpp"

#include <sigrun/cpp/plugin.hpp>

#include <algorithm>
#include <mutex>
#include <unordered_map>

namespace sigrun::adaptive {
namespace {

constexpr sigrun_opt k_options[] = {
    sdk::option(
        "rule", SIGRUN_OPT_CHOICE,
        {.def = "evidence",
         .doc = "seed: by priority alone (critical: performance, high: least_connections, others: round_robin).",
         .choices = "evidence,seed"}),
    sdk::option(
        "policies", SIGRUN_OPT_LIST,
        {.def = "performance, idle_first, least_connections, geographic",
         .doc = "Balancers that may be chosen and tried, by instance or component. One that is not loaded is left "
                "out, and so is geographic without [balancer] enable_geographic_balancing."}),
    sdk::option("explore", SIGRUN_OPT_FLOAT,
                {.def = "0.02",
                 .doc = "Share of the picks that follow a policy that is tried. 0 = never switch by evidence.",
                 .max = 0.5}),
};

constexpr std::size_t k_most_classes = 8192;

class balancer {
public:
    balancer(sdk::host, const sdk::config_reader& config)
        : seed_(config.text("rule") == "seed"),
          explore_ppm_(static_cast<std::uint32_t>(config.real("explore") * 1e6)),
          names_(config.list("policies")) {}

    const void* interface(std::string_view id) noexcept;

    void policies(const sigrun_policy_name* names, std::uint32_t n) {
        std::lock_guard lock(mutex_);
        names_.replace(names, n);
    }

    /// The rows of a class follow each other.
    void observe(const sigrun_policy_stats* stats, std::uint32_t n) {
        std::lock_guard lock(mutex_);
        for (std::uint32_t i = 0; i < n;) {
            std::uint32_t end = i;
            while (end < n && stats[end].class_id == stats[i].class_id) ++end;
            if (const auto at = classes_.find(stats[i].class_id); at != classes_.end())
                tell(at->second.watch, stats + i, stats + end);
            i = end;
        }
    }

    std::uint32_t decide(const sigrun_class_stats* stats, std::uint32_t n, sigrun_choice* out) {
        std::lock_guard lock(mutex_);
        ++round_;
        sigrun_choice* end = out;
        for (std::uint32_t i = 0; i < n; ++i) end = seed_ ? by_priority(stats[i], end) : by_evidence(stats[i], end);
        if (classes_.size() > k_most_classes)
            std::erase_if(classes_, [&](const auto& c) { return c.second.round != round_; });
        return static_cast<std::uint32_t>(end - out);
    }

private:
    struct known_class {
        class_watch watch;
        std::uint64_t round = 0;  // when it last had jobs
    };

    void tell(class_watch& watch, const sigrun_policy_stats* from, const sigrun_policy_stats* to) {
        const auto of = [&](std::uint32_t policy) {
            const auto* at = std::find_if(from, to, [&](const auto& s) { return s.policy == policy; });
            return policy && at != to ? at : nullptr;
        };
        if (const auto* own = of(watch.policy()))
            watch.observe(*own, explore_ppm_ ? of(watch.tried()) : nullptr, names_.candidates());
    }

    sigrun_choice* by_priority(const sigrun_class_stats& stats, sigrun_choice* out) const {
        for (unsigned priority = 0; priority < SIGRUN_PRIORITIES; ++priority) {
            const std::uint32_t policy = names_.by_priority(priority);
            if (policy) *out++ = {stats.class_id, policy, 0, 0, static_cast<std::uint8_t>(1u << priority), 0};
        }
        return out;
    }

    sigrun_choice* by_evidence(const sigrun_class_stats& stats, sigrun_choice* out) {
        const std::uint32_t prior = names_.prior(stats);
        if (!prior) return out;
        if (!stats.class_id) {  // too little is known of these
            *out++ = {0, prior, 0, 0, 0, SIGRUN_CHOICE_PRIOR};
            return out;
        }
        known_class& c = classes_.try_emplace(stats.class_id, known_class{class_watch(prior)}).first->second;
        c.round = round_;
        class_watch& watch = c.watch;
        if (!names_.has(watch.policy()))
            watch.lose(prior);
        else
            watch.expect(prior);
        if (watch.tried() && !names_.has(watch.tried())) watch.stop_trying();
        const bool tries = watch.tried() && explore_ppm_;
        *out++ = {stats.class_id,
                  watch.policy(),
                  tries ? explore_ppm_ : 0,
                  static_cast<std::uint16_t>(tries ? watch.tried() : 0),
                  0,
                  watch.why()};
        return out;
    }

    const bool seed_;
    const std::uint32_t explore_ppm_;
    std::mutex mutex_;  // the host may retire an instance while another thread still asks it
    policy_names names_;
    std::unordered_map<std::uint32_t, known_class> classes_;
    std::uint64_t round_ = 0;
};

constexpr sigrun_balancer make_table() noexcept {
    sigrun_balancer table{};
    table.struct_size = sizeof table;
    table.abi = 1;
    // A host that does not know `decide` asks this; what it then does is its own choice.
    table.pick = [](void*, const sigrun_view*, const sigrun_req*, std::uint32_t n, const std::uint64_t*,
                    sigrun_pick* out) noexcept -> std::uint32_t {
        std::fill_n(out, n, sigrun_pick{});
        return 0;
    };
    table.decide = [](sigrun_instance* i, const sigrun_class_stats* stats, std::uint32_t n,
                      sigrun_choice* out) noexcept -> std::uint32_t {
        try {
            return sdk::self<balancer>(i).decide(stats, n, out);
        } catch (...) {
            return 0;  // no memory: what was chosen stays
        }
    };
    table.policies = [](sigrun_instance* i, const sigrun_policy_name* names,
                        std::uint32_t n) noexcept -> sigrun_result {
        return sdk::guarded(nullptr, [&] { sdk::self<balancer>(i).policies(names, n); });
    };
    table.observe = [](sigrun_instance* i, const sigrun_policy_stats* stats, std::uint32_t n) noexcept {
        sdk::self<balancer>(i).observe(stats, n);
    };
    return table;
}
constexpr sigrun_balancer k_table = make_table();

const void* balancer::interface(std::string_view id) noexcept {
    return id == SIGRUN_KIND_BALANCER ? &k_table : nullptr;
}

}  // namespace
}  // namespace sigrun::adaptive

SIGRUN_PLUGIN("sigrun.adaptive", "1.0.0", "Chooses among the other balancers", 0,
              sigrun::sdk::component<sigrun::adaptive::balancer>(
                  "adaptive", SIGRUN_KIND_BALANCER,
                  "Per requirement the balancer whose jobs are done soonest, found by trying others now and then",
                  sigrun::adaptive::k_options))
