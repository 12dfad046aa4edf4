// Interns requirements: one predicate per canonical form. Serialised by the selector.
#pragma once

#include "kernel/select/predicate.hpp"

#include <array>
#include <list>
#include <map>
#include <memory>

namespace sigrun {

/// Keeps the k_kept most recently interned predicates alive even if nobody holds them; others live as long as
/// jobs do.
class predicate_table {
public:
    static constexpr std::size_t k_kept = 4096;

    explicit predicate_table(std::uint32_t max_pages) noexcept : max_pages_(max_pages) {}
    /// The predicate and whether it is new and still without answers.
    std::pair<std::shared_ptr<predicate>, bool> intern(const requirement_ptr& r);
    template <class Visit>
    void for_each(Visit&& visit) {
        for (const auto& p : kept_) visit(*p);
        // The others may end at any moment.
        if (entries_.size() == kept_.size()) return;
        for (auto at = entries_.begin(); at != entries_.end();) {
            if (at->second.is_kept) {
                ++at;
            } else if (const auto p = at->second.alive.lock()) {
                visit(*p);
                ++at;
            } else {
                at = entries_.erase(at);
            }
        }
    }
    std::size_t size() const noexcept { return entries_.size(); }

private:
    using key = std::array<std::uint64_t, 2>;
    struct entry {
        std::weak_ptr<predicate> alive;
        std::list<std::shared_ptr<predicate>>::iterator kept;
        bool is_kept = false;
    };
    void keep(entry& e, const std::shared_ptr<predicate>& p);

    std::uint32_t max_pages_;
    std::uint32_t next_id_ = 1;
    std::size_t sweep_at_ = 2 * k_kept;  // entries of predicates that died are dropped when there are this many
    std::map<key, entry> entries_;
    std::list<std::shared_ptr<predicate>> kept_;  // most recent first
};

}  // namespace sigrun
