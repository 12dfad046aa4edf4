#include "kernel/config/settings.hpp"

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_distance = 3;
constexpr std::size_t k_max_word = 128;

// Levenshtein's distance, one row at a time.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
            diagonal = above;
        }
    }
    return row[b.size()];
}

}  // namespace

std::string nearest_name(std::string_view word, std::span<const std::string> candidates) {
    std::string best;
    // Replacing every letter is no similarity.
    std::size_t limit = std::min(k_max_distance + 1, word.size());
    if (word.size() > k_max_word) return best;
    for (const auto& candidate : candidates) {
        if (candidate.size() > k_max_word) continue;
        std::size_t d = distance(word, candidate);
        if (d < limit) {
            limit = d;
            best = candidate;
        }
    }
    return best;
}

}  // namespace sigrun
