#include "kernel/select/label_pool.hpp"

#include <xxhash.h>

#include <algorithm>

namespace sigrun {
namespace {

std::size_t hash_of(const label_map& labels) noexcept {
    std::uint64_t h = labels.size();
    for (const auto& [name, value] : labels) {
        h = XXH3_64bits_withSeed(name.data(), name.size(), h);
        h = XXH3_64bits_withSeed(value.data(), value.size(), h);
    }
    return h;
}

}  // namespace

std::shared_ptr<const label_map> label_pool::share(std::shared_ptr<const label_map> labels) {
    if (!labels) return labels;
    const std::size_t hash = hash_of(*labels);
    const auto [begin, end] = known_.equal_range(hash);
    for (auto at = begin; at != end; ++at)
        if (auto same = at->second.lock(); same && *same == *labels) return same;
    if (known_.size() >= sweep_at_) {
        std::erase_if(known_, [](const auto& entry) { return entry.second.expired(); });
        sweep_at_ = std::max<std::size_t>(64, 2 * known_.size());
    }
    known_.emplace(hash, labels);
    return labels;
}

}  // namespace sigrun
