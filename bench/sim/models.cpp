#include "bench/sim/models.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace sigrun::sim {
namespace {

/// Jobs in flight as this dispatcher knows them: its own.
class counting : public policy {
public:
    counting(const regime& r, std::vector<machine>& fleet, std::uint64_t seed)
        : places_(r.places), fleet_(fleet), random_(seed, purpose::policy), in_flight_(fleet.size()) {}
    placement place(const job& j, nanos now, const std::vector<std::uint32_t>& failed_on) final {
        std::uint32_t runner = choose(j, now);
        // Not where it failed, if a few more draws help.
        for (int i = 0; i < 8 && std::find(failed_on.begin(), failed_on.end(), runner) != failed_on.end(); ++i)
            runner = choose(j, now);
        if (runner != k_waits) ++in_flight_[runner];
        return {runner};
    }
    void done(const outcome& what) override { --in_flight_[what.runner]; }

protected:
    virtual std::uint32_t choose(const job& j, nanos now) = 0;
    std::uint32_t any() noexcept { return random_.below(static_cast<std::uint32_t>(fleet_.size())); }
    std::uint32_t other_than(std::uint32_t first) noexcept {
        if (fleet_.size() < 2) return first;
        const std::uint32_t drawn = random_.below(static_cast<std::uint32_t>(fleet_.size()) - 1);
        return drawn < first ? drawn : drawn + 1;
    }

    const std::uint32_t places_;
    std::vector<machine>& fleet_;
    random_stream random_;
    std::vector<std::uint32_t> in_flight_;
};

/// One queue, everything known: a free place on the runner that would finish a mean job first.
class oracle final : public counting {
public:
    using counting::counting;

private:
    std::uint32_t choose(const job&, nanos now) override {
        std::uint32_t best = k_waits;
        double best_cost = std::numeric_limits<double>::infinity();
        for (std::uint32_t i = 0; i < fleet_.size(); ++i) {
            if (in_flight_[i] >= places_ || fleet_[i].sinkhole) continue;
            const double cost =
                static_cast<double>(k_mean_job) / fleet_[i].speed(now) + static_cast<double>(fleet_[i].rtt);
            if (cost < best_cost) best = i, best_cost = cost;
        }
        return best;
    }
};

/// Earliest deadline first, as Envoy's weighted round robin; weights are the base speeds.
class weighted_round_robin final : public counting {
public:
    weighted_round_robin(const regime& r, std::vector<machine>& fleet, std::uint64_t seed) : counting(r, fleet, seed) {
        for (std::uint32_t i = 0; i < fleet.size(); ++i) heap_.emplace_back(random_.unit() / fleet[i].base_speed, i);
        std::make_heap(heap_.begin(), heap_.end(), std::greater<>());
    }

private:
    std::uint32_t choose(const job&, nanos) override {
        std::pop_heap(heap_.begin(), heap_.end(), std::greater<>());
        const std::uint32_t runner = heap_.back().second;
        heap_.back().first += 1 / fleet_[runner].base_speed;
        std::push_heap(heap_.begin(), heap_.end(), std::greater<>());
        return runner;
    }
    std::vector<std::pair<double, std::uint32_t>> heap_;
};

/// The fewest jobs in flight, a random one of equals.
class least_in_flight final : public counting {
public:
    using counting::counting;

private:
    std::uint32_t choose(const job&, nanos) override {
        std::uint32_t best = 0, fewest = ~0u, ties = 0;
        for (std::uint32_t i = 0; i < in_flight_.size(); ++i) {
            if (in_flight_[i] > fewest) continue;
            if (in_flight_[i] < fewest) fewest = in_flight_[i], ties = 0;
            ++ties;
        }
        std::uint32_t nth = random_.below(ties);
        for (best = 0; in_flight_[best] != fewest || nth--; ++best) {
        }
        return best;
    }
};

/// Two distinct random runners, the one with fewer jobs in flight for its base speed.
class two_choices final : public counting {
public:
    using counting::counting;

private:
    std::uint32_t choose(const job&, nanos) override {
        const std::uint32_t a = any(), b = other_than(a);
        return load(b) < load(a) ? b : a;
    }
    double load(std::uint32_t i) const noexcept { return (in_flight_[i] + 1) / fleet_[i].base_speed; }
};

/// Finagle's: a latency that rises at once and falls with tau 10 s, times jobs in flight + 1, the better of two.
class peak_ewma final : public counting {
public:
    peak_ewma(const regime& r, std::vector<machine>& fleet, std::uint64_t seed)
        : counting(r, fleet, seed), seen_(fleet.size()) {}
    void done(const outcome& what) override {
        counting::done(what);
        state& s = seen_[what.runner];
        const auto took = static_cast<double>(what.away);
        const double keep = std::exp(-static_cast<double>(what.now - s.at) / k_tau);
        s.cost = took > s.cost ? took : s.cost * keep + took * (1 - keep);
        s.at = what.now;
    }

private:
    static constexpr double k_tau = 10.0 * static_cast<double>(k_second);
    static constexpr double k_unknown = 1e15;  // no history, but pending
    struct state {
        double cost = 0;
        nanos at = 0;
    };
    std::uint32_t choose(const job&, nanos now) override {
        const std::uint32_t a = any(), b = other_than(a);
        return load(b, now) < load(a, now) ? b : a;
    }
    double load(std::uint32_t i, nanos now) const noexcept {
        const state& s = seen_[i];
        if (s.cost <= 0 && in_flight_[i]) return k_unknown + in_flight_[i];
        return s.cost * std::exp(-static_cast<double>(now - s.at) / k_tau) * (in_flight_[i] + 1);
    }
    std::vector<state> seen_;
};

/// Join the idle queue: a random idle runner; if there is none, any.
class join_idle_queue final : public counting {
public:
    using counting::counting;

private:
    std::uint32_t choose(const job&, nanos) override {
        std::uint32_t idle = 0;
        for (const std::uint32_t q : in_flight_) idle += q < places_;
        if (!idle) return any();
        std::uint32_t nth = random_.below(idle), i = 0;
        for (; in_flight_[i] >= places_ || nth--; ++i) {
        }
        return i;
    }
};

}  // namespace

std::unique_ptr<policy> make_model(std::string_view name, const regime& r, std::vector<machine>& fleet,
                                   std::uint64_t seed) {
    if (name == "oracle") return std::make_unique<oracle>(r, fleet, seed);
    if (name == "re:wrr") return std::make_unique<weighted_round_robin>(r, fleet, seed);
    if (name == "re:leastconn") return std::make_unique<least_in_flight>(r, fleet, seed);
    if (name == "re:p2c") return std::make_unique<two_choices>(r, fleet, seed);
    if (name == "re:peak_ewma") return std::make_unique<peak_ewma>(r, fleet, seed);
    if (name == "re:jiq") return std::make_unique<join_idle_queue>(r, fleet, seed);
    throw std::invalid_argument("no such model: " + std::string(name));
}

}  // namespace sigrun::sim
