// A free place on a runner of the selector's index.
#pragma once

#include "kernel/job/wait_queue.hpp"

#include <algorithm>

namespace sigrun {

class runner_place final : public free_place {
public:
    /// `open`: the protocols over which the runner can take a job now.
    runner_place(const selector& select, slot_ref slot, protocol_mask open) noexcept
        : select_(select), slot_(slot), open_(open), group_(select.group_of(slot)) {}
    /// Jobs with the mask `waiting` may use `meant`: what "any protocol" means can change while they wait.
    void read_as(protocol_mask waiting, protocol_mask meant) noexcept {
        waiting_ = waiting;
        meant_ = meant;
    }

    selector::group_ref group() const override { return group_; }
    bool open_over(protocol_mask allowed) const override { return (allowed == waiting_ ? meant_ : allowed) & open_; }
    bool group_may_match(const predicate& p) const override { return select_.may_match(p, group_.number); }
    bool matches(const predicate& p) const override { return select_.matches(p, slot_); }
    bool is_one_of(const std::vector<std::uint32_t>& slots) const override {
        const auto here = select_.current_slot(slot_.slot);
        return std::any_of(slots.begin(), slots.end(), [&](auto each) { return select_.current_slot(each) == here; });
    }

private:
    const selector& select_;
    slot_ref slot_;
    protocol_mask open_, waiting_ = 0, meant_ = 0;
    selector::group_ref group_;  // read before any answer: what changes afterwards makes it old
};

}  // namespace sigrun
