// What is said of several rounds of one measurement.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

namespace sigrun::benchmark {

/// The smallest value that at least `share` of all are not above; of nothing: 0.
inline double percentile(std::vector<double> values, double share) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

/// Standard deviation over mean; of fewer than two values: 0.
inline double variation(const std::vector<double>& values) {
    if (values.size() < 2) return 0;
    double sum = 0, squares = 0;
    for (double v : values) sum += v;
    const double mean = sum / static_cast<double>(values.size());
    for (double v : values) squares += (v - mean) * (v - mean);
    return mean > 0 ? std::sqrt(squares / static_cast<double>(values.size() - 1)) / mean : 0;
}

struct summary {
    double median = 0;
    double cv = 0;
    std::size_t rounds = 0;
};

/// Nothing if there are too few rounds to tell one that was disturbed from the others.
inline std::optional<summary> summarize(const std::vector<double>& rounds) {
    constexpr std::size_t k_least = 3;
    if (rounds.size() < k_least) return std::nullopt;
    return summary{percentile(rounds, 0.5), variation(rounds), rounds.size()};
}

}  // namespace sigrun::benchmark
