// Which processors the measurements run on, and how much cache and memory they have: read from files, and the affinity mask.
#pragma once

#include <sigrun/cpp/cgroup.hpp>

#include <optional>
#include <vector>

namespace sigrun::benchmark {

/// Affinity masks as the kernel has them, for any number of processors.
std::vector<unsigned char> own_mask();
std::vector<unsigned char> mask_of(unsigned processor);
std::vector<unsigned> numbers_in(const std::vector<unsigned char>& mask);

/// As many of `allowed` as the quota is worth, at least one, spread evenly over all of them.
std::vector<unsigned> chosen_processors(const std::vector<unsigned>& allowed, std::optional<double> quota);

struct cache_size {
    std::uint64_t one = 0;    // the largest last-level cache that one of the processors has
    std::uint64_t total = 0;  // all that these processors have together
};
/// Nothing if sysfs does not describe a cache of level 3.
std::optional<cache_size> last_level_cache(const sdk::sysroot& root, const std::vector<unsigned>& processors);

/// What may be used: the least of the machine's memory and every limit; and what of it is free.
struct memory_size {
    std::optional<std::uint64_t> effective, available;
};
memory_size memory_of(const sdk::sysroot& root);

/// What this process may still map.
std::uint64_t address_space_left(const sdk::sysroot& root);

}  // namespace sigrun::benchmark
