#include "kernel/select/predicate_table.hpp"

#include <algorithm>

namespace sigrun {

void predicate_table::keep(entry& e, const std::shared_ptr<predicate>& p) {
    if (e.is_kept) {
        kept_.splice(kept_.begin(), kept_, e.kept);
        return;
    }
    kept_.push_front(p);
    e.kept = kept_.begin();
    e.is_kept = true;
    if (kept_.size() <= k_kept) return;
    const auto& oldest = kept_.back();
    if (auto at = entries_.find(oldest->what().key()); at != entries_.end()) {
        at->second.is_kept = false;
        if (oldest.use_count() == 1) entries_.erase(at);
    }
    kept_.pop_back();
}

std::pair<std::shared_ptr<predicate>, bool> predicate_table::intern(const requirement_ptr& r) {
    if (entries_.size() >= sweep_at_) {
        for_each([](predicate&) {});
        sweep_at_ = std::max(2 * k_kept, 2 * entries_.size());
    }
    entry& e = entries_[r->key()];
    std::shared_ptr<predicate> p = e.alive.lock();
    const bool made = !p;
    if (made) {
        p = std::make_shared<predicate>(r, next_id_++, max_pages_);
        e.alive = p;
        e.is_kept = false;
    }
    keep(e, p);
    return {p, made};
}

}  // namespace sigrun
