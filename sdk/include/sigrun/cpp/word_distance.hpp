// sigrun/cpp/word_distance.hpp: how far a mistyped word is from one that exists. Header-only, [any].
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace sigrun::sdk {

/// Levenshtein's distance: insertions, removals and changes of one byte. Costs a.size() * b.size() steps: bound the words.
inline std::size_t word_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
            diagonal = above;
        }
    }
    return row.back();
}

}  // namespace sigrun::sdk
