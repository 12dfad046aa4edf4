// One copy of each set of labels, however many runners have it. [one writer]
#pragma once

#include "kernel/capability/facts.hpp"

#include <cstddef>
#include <memory>
#include <unordered_map>

namespace sigrun {

class label_pool {
public:
    /// Labels that are equal to these; null stays null.
    std::shared_ptr<const label_map> share(std::shared_ptr<const label_map> labels);

private:
    std::unordered_multimap<std::size_t, std::weak_ptr<const label_map>> known_;  // by hash
    std::size_t sweep_at_ = 64;  // entries of labels that nobody has any more are dropped when there are this many
};

}  // namespace sigrun
