#include "bench/sim/product_policy.hpp"

#include "bench/select/fleet.hpp"
#include "bench/sim/dispatch_threads.hpp"

#include <algorithm>
#include <filesystem>

namespace sigrun::sim {
namespace {

/// The simulation's time, for the selector.
class virtual_clock final : public clock {
public:
    time_point now() const noexcept override { return time_point(nanoseconds(k_start + now_)); }
    std::int64_t wall_ns() const noexcept override { return k_wall_start + now_; }
    void set(nanos now) noexcept { now_ = now; }

private:
    static constexpr nanos k_start = k_second;
    static constexpr std::int64_t k_wall_start = 1'767'225'600'000'000'000;  // 2026-01-01
    nanos now_ = 0;
};

constexpr std::uint16_t k_balancer = 1;  // the only one that is loaded

class product_policy final : public policy {
public:
    product_policy(const std::string& balancer, const regime& r, const std::vector<machine>& fleet, std::uint64_t seed)
        : threads_(r.dispatchers) {
        selector::options o;
        o.max_runners = r.runners;
        o.default_balancer = balancer;
        o.time = &clock_;
        o.seed = random_stream(seed, purpose::policy).bits();
        index_ = selector::create(o, {bench::plugin_balancer(balancer)}).value();
        for (std::uint32_t i = 0; i < fleet.size(); ++i) join(i, fleet[i], r);
        all_ = index_->intern(requirement::compile("").value());
    }

    std::uint32_t place(const job& j, nanos now, const std::vector<std::uint32_t>& failed_on) override {
        turn_clock(now);
        std::uint32_t runner = k_waits;
        threads_.on(j.dispatcher, [&] { runner = pick(j, failed_on); });
        return runner;
    }

    void done(const outcome& what) override {
        turn_clock(what.now);
        job_feedback f;
        f.slot = slots_[what.runner];
        f.pred = all_.get();
        f.end.status = what.failed ? outcome_status::failed_by_infrastructure : outcome_status::succeeded;
        f.end.exec_us = static_cast<double>(what.ran) / 1000;
        f.end.rtt_us = rtt_us_[what.runner];
        f.queued_us = static_cast<std::uint64_t>(what.waited / 1000);
        threads_.on(what.thread, [&] {
            index_->feedback(f, k_balancer);
            index_->release(f.slot);
        });
    }

private:
    void turn_clock(nanos now) {
        for (; next_tick_ <= now; next_tick_ += k_second) {
            clock_.set(next_tick_);
            index_->tick();
        }
        clock_.set(now);
    }

    void join(std::uint32_t i, const machine& m, const regime& r) {
        runner_profile p;
        // Fast and slow machines are of different makes, as in a fleet that grew over years.
        p.labels = std::make_shared<const label_map>(
            label_map{{"make", "m" + std::to_string(static_cast<int>(m.base_speed * 4))},
                      {"zone", "z" + std::to_string(m.zone)}});
        p.protocols = 1;
        p.places = static_cast<std::uint16_t>(r.places);
        p.identity = mixed(i + 1);
        rtt_us_.push_back(static_cast<double>(m.rtt) / 1000);
        slots_.push_back(index_->add(p).value());
        index_->set_open(slots_.back(), true);
        const std::uint32_t slot = slots_.back().slot;
        if (runner_at_.size() <= slot) runner_at_.resize(slot + 1);
        runner_at_[slot] = i;
    }

    /// As the engine does: not where it failed, unless nothing else is free.
    std::uint32_t pick(const job& j, const std::vector<std::uint32_t>& failed_on) {
        pick_request q;
        q.pred = all_.get();
        q.affinity_key = j.key;
        excluded_.clear();
        for (const std::uint32_t runner : failed_on) excluded_.push_back(slots_[runner].slot);
        q.excluded = excluded_.data();
        q.n_excluded = static_cast<std::uint32_t>(excluded_.size());
        pick_result got = index_->pick(q);
        if (got.outcome != pick_outcome::picked && q.n_excluded) {
            q.n_excluded = 0;
            got = index_->pick(q);
        }
        return got.outcome == pick_outcome::picked ? runner_at_[got.slot.slot] : k_waits;
    }

    virtual_clock clock_;
    nanos next_tick_ = k_second;
    std::unique_ptr<selector> index_;
    predicate_ptr all_;
    std::vector<slot_ref> slots_;
    std::vector<double> rtt_us_;
    std::vector<std::uint32_t> runner_at_, excluded_;
    dispatch_threads threads_;  // end first: they hold states of the selector's balancers
};

}  // namespace

std::vector<std::string> built_balancers() {
    std::vector<std::string> out;
    for (const auto& file : std::filesystem::directory_iterator(std::string(SIGRUN_BUILD_DIR) + "/plugins/balancers"))
        if (file.path().extension() == ".so") out.push_back(file.path().stem());
    std::sort(out.begin(), out.end());
    return out;
}

std::unique_ptr<policy> make_product_policy(const std::string& balancer, const regime& r,
                                            const std::vector<machine>& fleet, std::uint64_t seed) {
    return std::make_unique<product_policy>(balancer, r, fleet, seed);
}

}  // namespace sigrun::sim
