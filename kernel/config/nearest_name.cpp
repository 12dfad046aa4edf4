#include "kernel/config/settings.hpp"

#include <sigrun/cpp/word_distance.hpp>

#include <algorithm>

namespace sigrun {
namespace {

constexpr std::size_t k_max_distance = 3;
constexpr std::size_t k_max_word = 128;

}  // namespace

std::string nearest_name(std::string_view word, std::span<const std::string> candidates) {
    std::string best;
    // Replacing every letter is no similarity.
    std::size_t limit = std::min(k_max_distance + 1, word.size());
    if (word.size() > k_max_word) return best;
    for (const auto& candidate : candidates) {
        if (candidate.size() > k_max_word) continue;
        std::size_t d = sdk::word_distance(word, candidate);
        if (d < limit) {
            limit = d;
            best = candidate;
        }
    }
    return best;
}

}  // namespace sigrun
