#include "bench/sim/workload.hpp"

#include "bench/sim/random_stream.hpp"

#include <algorithm>

namespace sigrun::sim {
namespace {

/// Poisson arrivals whose rate changes between two values after exponential times.
class arrivals {
public:
    arrivals(const regime& r, std::uint64_t seed, double capacity)
        : stream_(seed, purpose::arrivals), calm_(r.load * capacity), burst_(r.burst_load * capacity) {
        next_change_ = burst_ > 0 ? stream_.exponential(k_calm_s) : 1e18;
    }
    nanos next() {
        for (;;) {
            const double at = now_ + stream_.exponential(1 / (bursting_ ? burst_ : calm_));
            if (at <= next_change_) {
                now_ = at;
                return static_cast<nanos>(at * static_cast<double>(k_second));
            }
            now_ = next_change_;
            bursting_ = !bursting_;
            next_change_ = now_ + stream_.exponential(bursting_ ? k_burst_s : k_calm_s);
        }
    }

private:
    static constexpr double k_calm_s = 0.45, k_burst_s = 0.05;
    random_stream stream_;
    double calm_, burst_, now_ = 0, next_change_ = 0;
    bool bursting_ = false;
};

/// Zipf with exponent 1, by inversion of the continuous law.
std::uint64_t zipf(random_stream& s, std::uint32_t keys) {
    const double rank = std::exp(s.unit() * std::log(static_cast<double>(keys) + 1));
    return mixed(std::min<std::uint64_t>(static_cast<std::uint64_t>(rank), keys));
}

}  // namespace

std::vector<job> make_jobs(const regime& r, std::uint64_t seed, std::uint32_t count, double capacity) {
    arrivals when(r, seed, capacity);
    random_stream sizes(seed, purpose::sizes), keys(seed, purpose::keys);
    const std::uint32_t doors = std::max(r.dispatchers, r.controllers);
    std::vector<job> out(count);
    for (job& j : out) {
        j.arrival = when.next();
        const double mean = static_cast<double>(k_mean_job);
        j.work =
            std::max<nanos>(1, static_cast<nanos>(r.sizes == size_law::exponential ? sizes.exponential(mean)
                                                                                   : sizes.log_normal(mean, r.cv)));
        if (r.keys) j.key = zipf(keys, r.keys);
        j.dispatcher = doors > 1 ? static_cast<std::uint16_t>(keys.below(doors)) : std::uint16_t{0};
    }
    return out;
}

bool attempt_fails(const regime& r, std::uint64_t seed, std::uint32_t job, std::uint32_t attempt) {
    return r.failures > 0 &&
           random_stream(seed, purpose::failures, std::uint64_t{job} << 8 | attempt).unit() < r.failures;
}

}  // namespace sigrun::sim
