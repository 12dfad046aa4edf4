// What one kind of request may use: the weight of every group, and how many jobs are in flight there. One thread's.
#pragma once

#include "member_table.hpp"
#include "rendezvous.hpp"

#include <array>

namespace sigrun::affinity {

/// The first runners in the order of a key, best first.
struct ranking {
    static constexpr std::uint32_t k_most = 4;
    std::uint32_t n = 0;
    std::uint32_t slot[k_most] = {};
    std::uint64_t identity[k_most] = {};
};

class feasible_set {
public:
    bool is_of(const sigrun_req& req) const noexcept { return pred_id_ == req.pred_id && protos_ == req.protos; }
    /// Nothing to do while it is about the same kind of request and the same members; else a new build() from `builds`.
    void prepare(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                 const member_table& members, std::uint64_t& builds) noexcept;
    /// A ranking holds while this stays as it is.
    std::uint64_t build() const noexcept { return build_; }
    ranking rank(const sigrun_view& view, const std::uint64_t* pages, const member_table& members,
                 std::uint64_t key) const noexcept;
    /// Counts the jobs in flight, if as many picks as 1/64 of the runners came since it last did, or some time passed.
    void count_jobs(const sigrun_view& view, const std::uint64_t* pages, const member_table& members,
                    std::uint64_t now_ns) noexcept;
    /// Jobs that a runner of this weight may have in flight so that it takes one more: less than its share of all of them,
    /// the new one included, times `bound`, rounded up.
    double limit(std::uint64_t weight, double bound) const noexcept {
        return weight_ ? (jobs_ + 1) * bound * static_cast<double>(weight) / static_cast<double>(weight_) : 0;
    }

private:
    std::uint32_t pred_id_ = 0;
    std::uint16_t protos_ = 0;
    std::uint64_t build_ = 0, version_ = 0;
    std::uint64_t pages_seen_ = 0;  // a hash of the feasible pages
    std::uint64_t weight_ = 0;
    std::uint32_t runners_ = 0;
    double jobs_ = 0;
    std::uint64_t counted_ns_ = 0;
    std::uint32_t picks_left_ = 0;  // until they are counted again
    // Of the groups that have some weight.
    std::uint32_t n_groups_ = 0;
    std::array<std::uint16_t, member_table::k_groups> group_{};
    std::array<float, member_table::k_groups> inverse_{};  // 1 / weight
};

/// places * weight of the runners in a page; 0 where they do not count.
inline std::uint64_t weight_in(const sigrun_view& view, std::uint32_t page) noexcept {
    const sigrun_cohort& c = view.cohort[sdk::load_once(view.page_cohort[page])];
    return std::uint64_t{sdk::load_once(c.places)} * sdk::load_once(c.weight);
}

}  // namespace sigrun::affinity
