#include "kernel/job/job_class.hpp"

#include <algorithm>

namespace sigrun {

void job_class::note_ack(nanoseconds took, double quantile, std::uint32_t at_least) noexcept {
    acks.add(took);
    // Now and then: to add them all up costs more than to count one.
    if ((n_acks.fetch_add(1, std::memory_order_relaxed) + 1) % 16) return;
    const auto usual = acks.quantile(quantile, at_least);
    usual_ack_ns.store(usual ? usual->count() : 0, std::memory_order_relaxed);
}

class_ptr job_classes::of(const predicate_ptr& pred) {
    std::lock_guard lock(mutex_);
    // The class holds its predicate: as long as it lives, nobody else has that address.
    auto& known = classes_[pred.get()];
    if (auto c = known.lock()) return c;
    auto made = std::make_shared<job_class>(pred);
    known = made;
    // Those that nobody holds go at a cost that doubles away.
    if (classes_.size() >= sweep_at_) {
        std::erase_if(classes_, [](const auto& each) { return each.second.expired(); });
        sweep_at_ = std::max<std::size_t>(64, 2 * classes_.size());
    }
    return made;
}

}  // namespace sigrun
