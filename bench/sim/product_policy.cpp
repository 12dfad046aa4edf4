#include "bench/sim/product_policy.hpp"

#include "bench/select/fleet.hpp"

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

constexpr nanos k_first_doubt = 20 * k_ms;  // as the engine: younger jobs are not worth a timer

double micros(nanos t) { return static_cast<double>(t) * 1e-3; }

class product_policy final : public policy {
public:
    product_policy(const std::string& balancer, const regime& r, const std::vector<machine>& fleet,
                   std::uint64_t seed) {
        selector::options o;
        o.max_runners = r.runners;
        o.default_balancer = balancer;
        threads_ = r.dispatchers;
        o.time = &clock_;
        o.stands_for = &thread_;
        o.seed = random_stream(seed, purpose::policy).bits();
        std::vector<std::shared_ptr<instance>> loaded{bench::plugin_balancer(balancer)};
        if (balancer == "adaptive")  // it chooses among the others
            for (const std::string& other : built_balancers())
                if (other != balancer) loaded.push_back(bench::plugin_balancer(other));
        index_ = selector::create(o, std::move(loaded)).value();
        for (std::uint32_t i = 0; i < fleet.size(); ++i) join(i, fleet[i], r);
        all_ = index_->intern(requirement::compile("").value());
    }

    placement place(const job& j, nanos now, const std::vector<std::uint32_t>& failed_on) override {
        clock_.set(now);
        if (threads_ > 1) thread_ = j.dispatcher;
        return pick(j, now, failed_on);
    }

    void done(const outcome& what) override {
        clock_.set(what.now);
        job_feedback f;
        f.slot = slots_[what.runner];
        f.pred = all_.get();
        f.end.status = what.failed ? outcome_status::failed_by_infrastructure : outcome_status::succeeded;
        f.end.wait_us = micros(what.waited);
        f.end.exec_us = micros(what.ran);
        f.end.rtt_us = rtt_us_[what.runner];
        f.affinity_key = what.key;
        f.queued_us = static_cast<std::uint64_t>(micros(what.queued));
        if (threads_ > 1) thread_ = what.thread;
        index_->feedback(f, what.decided);
        index_->release(f.slot);
    }

    void waiting(std::uint32_t jobs) override { index_->note_waiting(jobs); }

    void tick(nanos now) override {
        clock_.set(now);
        index_->tick();
    }

    nanos doubt_after(std::uint32_t runner) override {
        const double mean_us = index_->standing(*all_).mean_exec_us;
        if (mean_us <= 0) return 0;
        const double slower = std::max(index_->standing(slots_[runner]).relative_time, 1.0);
        return std::max(static_cast<nanos>(4e3 * mean_us * slower), k_first_doubt);
    }

    void doubt(std::uint32_t runner, nanos age, nanos now) override {
        clock_.set(now);
        index_->straggler(slots_[runner], *all_, nanoseconds(age));
    }

private:
    void join(std::uint32_t i, const machine& m, const regime& r) {
        runner_profile p;
        // Fast and slow machines are of different makes, as in a fleet that grew over years.
        p.labels = std::make_shared<const label_map>(
            label_map{{"make", "m" + std::to_string(static_cast<int>(m.base_speed * 4))},
                      {"zone", "z" + std::to_string(m.zone)}});
        p.protocols = 1;
        p.places = static_cast<std::uint16_t>(r.places);
        p.identity = mixed(i + 1);
        rtt_us_.push_back(micros(m.rtt));
        slots_.push_back(index_->add(p).value());
        index_->set_open(slots_.back(), true);
        if (m.rtt) index_->note_round_trip(slots_.back(), nanoseconds(m.rtt));
        const std::uint32_t slot = slots_.back().slot;
        if (runner_at_.size() <= slot) runner_at_.resize(slot + 1);
        runner_at_[slot] = i;
    }

    /// As the engine does: not where it failed, unless nothing else is free.
    placement pick(const job& j, nanos now, const std::vector<std::uint32_t>& failed_on) {
        pick_request q;
        q.pred = all_.get();
        q.affinity_key = j.key;
        q.may_wait = failed_on.empty() && now - j.arrival < k_patience;
        excluded_.clear();
        for (const std::uint32_t runner : failed_on) excluded_.push_back(slots_[runner].slot);
        q.excluded = excluded_.data();
        q.n_excluded = static_cast<std::uint32_t>(excluded_.size());
        pick_result got = index_->pick(q);
        if (got.outcome != pick_outcome::picked && q.n_excluded) {
            q.n_excluded = 0;
            got = index_->pick(q);
        }
        if (got.outcome != pick_outcome::picked) return {k_waits, 0, got.rather_waits()};
        return {runner_at_[got.slot.slot], got.explain.policy};
    }

    virtual_clock clock_;
    std::uint32_t threads_ = 1, thread_ = 0;
    std::unique_ptr<selector> index_;
    predicate_ptr all_;
    std::vector<slot_ref> slots_;
    std::vector<double> rtt_us_;  // as a link measures it
    std::vector<std::uint32_t> runner_at_, excluded_;
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
