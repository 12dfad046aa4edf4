// How the programs of this folder time things: percentiles of batch means while hot, of single operations after the caches
// were emptied.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

namespace sigrun::bench {

using bench_clock = std::chrono::steady_clock;

inline double ns_since(bench_clock::time_point t) {
    return std::chrono::duration<double, std::nano>(bench_clock::now() - t).count();
}

struct quantiles {
    double p50 = 0, p99 = 0, mean = 0;
};
inline quantiles quantiles_of(std::vector<double> values) {
    if (values.empty()) return {};
    std::sort(values.begin(), values.end());
    double sum = 0;
    for (const double v : values) sum += v;
    return {values[values.size() / 2], values[values.size() * 99 / 100], sum / static_cast<double>(values.size())};
}

/// ns per call, of batches: the reading of the clock (about 25 ns) is shared by a whole one.
template <typename Operation>
quantiles hot_time(Operation&& once, double seconds, int batch = 16) {
    for (int i = 0; i < 1000; ++i) once();
    std::vector<double> means;
    const auto begin = bench_clock::now();
    while (ns_since(begin) < seconds * 1e9) {
        const auto start = bench_clock::now();
        for (int i = 0; i < batch; ++i) once();
        means.push_back(ns_since(start) / batch);
    }
    return quantiles_of(std::move(means));
}

/// Evicts what a core or the whole package has cached.
class cache_sweep {
public:
    /// 32,768 random lines of 8 MiB, 2 MiB in all: an L2 of 1 MiB keeps nothing else.
    static cache_sweep of_l2() { return cache_sweep(8u << 20, true); }
    /// 256 MiB from end to end, in small pages: beyond every cache, that of addresses included.
    static cache_sweep of_all() { return cache_sweep(256u << 20, false); }
    void run() {
        if (!random_) {
            for (std::size_t i = 0; i < memory_.size(); i += 8) memory_[i] += 1;
            return;
        }
        for (int i = 0; i < 32'768; ++i) {
            state_ = state_ * 6364136223846793005u + 1442695040888963407u;
            memory_[(state_ >> 33) % memory_.size() & ~std::size_t{7}] += 1;
        }
    }

private:
    cache_sweep(std::size_t bytes, bool random) : memory_(bytes / 8), random_(random) {}
    std::vector<std::uint64_t> memory_;
    bool random_;
    std::uint64_t state_ = 1;
};

template <typename Operation>
quantiles cold_time(Operation&& once, cache_sweep sweep, int samples) {
    std::vector<double> times;
    for (int i = 0; i < samples; ++i) {
        sweep.run();
        const auto start = bench_clock::now();
        once();
        times.push_back(ns_since(start));
    }
    return quantiles_of(std::move(times));
}

}  // namespace sigrun::bench
