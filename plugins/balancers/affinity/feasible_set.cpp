#include "feasible_set.hpp"

#include <algorithm>

namespace sigrun::affinity {
namespace {

using sdk::load_once;

constexpr std::uint64_t k_golden = 0x9e3779b97f4a7c15u;

/// A count costs about a nanosecond per runner, and shall stay below a hundredth of the time.
constexpr std::uint64_t count_every_ns(std::uint32_t runners) noexcept {
    return std::max<std::uint64_t>(50'000'000, std::uint64_t{runners} * 200);
}

constexpr auto k_group_hash = [] {
    std::array<std::uint64_t, member_table::k_groups> table{};
    for (std::size_t g = 0; g < table.size(); ++g) table[g] = mix((g + 1) * k_golden);
    return table;
}();

bool has_page(const std::uint64_t* pages, std::uint32_t page) noexcept {
    return load_once(pages[page >> 6]) >> (page & 63u) & 1;
}

/// Visits the feasible pages that the members know and that have a runner.
template <class F>
void for_each_page(const sigrun_view& view, const std::uint64_t* pages, const member_table& members, F visit) noexcept {
    const std::uint32_t known = std::min(members.pages(), view.n_pages);
    for (std::uint32_t word = 0; word < (known + 63) / 64; ++word)
        for (std::uint64_t rest = load_once(pages[word]); rest; rest &= rest - 1) {
            const std::uint32_t page = word * 64 + static_cast<std::uint32_t>(std::countr_zero(rest));
            if (page < known && members.live(page)) visit(page, members.live(page));
        }
}

std::uint64_t hash_of(const sigrun_view& view, const std::uint64_t* pages) noexcept {
    std::uint64_t h = 0;
    for (std::uint32_t w = 0; w < sdk::page_words(view); ++w) h = (h ^ load_once(pages[w])) * k_golden + w;
    return h;
}

/// The `k_most` smallest of what it was offered, smallest first.
template <class T>
struct smallest {
    std::uint32_t n = 0;
    float value[ranking::k_most];
    T what[ranking::k_most];
    void offer(float v, T t) noexcept {
        if (n == ranking::k_most) {
            if (v >= value[n - 1]) return;
            --n;
        }
        std::uint32_t at = n++;
        for (; at && v < value[at - 1]; --at) value[at] = value[at - 1], what[at] = what[at - 1];
        value[at] = v;
        what[at] = t;
    }
};

}  // namespace

void feasible_set::prepare(const sigrun_view& view, const sigrun_req& req, const std::uint64_t* pages,
                           const member_table& members, std::uint64_t& builds) noexcept {
    if (build_ && is_of(req) && version_ == members.version()) return;
    pred_id_ = req.pred_id;
    protos_ = req.protos;
    version_ = members.version();
    build_ = ++builds;
    pages_seen_ = hash_of(view, pages);
    weight_ = 0;
    runners_ = 0;
    picks_left_ = 0;
    std::array<std::uint64_t, member_table::k_groups> weight{};
    for_each_page(view, pages, members, [&](std::uint32_t page, std::uint64_t live) {
        const std::uint64_t each = weight_in(view, page);
        if (!each) return;
        for (; live; live &= live - 1) {
            weight[members.group_at(page * 64 + static_cast<std::uint32_t>(std::countr_zero(live)))] += each;
            weight_ += each;
            ++runners_;
        }
    });
    n_groups_ = 0;
    for (std::uint32_t g = 0; g < weight.size(); ++g) {
        if (!weight[g]) continue;
        group_[n_groups_] = static_cast<std::uint16_t>(g);
        inverse_[n_groups_++] = 1 / static_cast<float>(weight[g]);
    }
}

ranking feasible_set::rank(const sigrun_view& view, const std::uint64_t* pages, const member_table& members,
                           std::uint64_t key) const noexcept {
    const std::uint64_t by_group = mix(key), by_runner = mix(key + k_golden);
    smallest<std::uint16_t> groups;
    for (std::uint32_t i = 0; i < n_groups_; ++i)
        groups.offer(arrival(mix(by_group ^ k_group_hash[group_[i]])) * inverse_[i], group_[i]);
    ranking out;
    for (std::uint32_t i = 0; i < groups.n; ++i) {
        float best = 0;
        std::uint32_t slot = ~0u;
        std::uint64_t identity = 0;
        for (const std::uint32_t each : members.members(groups.what[i])) {
            const std::uint32_t page = each >> 6;
            if (!has_page(pages, page)) continue;
            const std::uint64_t weight = weight_in(view, page), id = load_once(view.identity[each]);
            const std::uint64_t mixed = mix(id);
            // Another runner may be there by now.
            if (!weight || !id || member_table::group_of(mixed) != groups.what[i]) continue;
            const float time = arrival(mix(by_runner ^ mixed)) / static_cast<float>(weight);
            if (slot != ~0u && time >= best) continue;
            best = time;
            slot = each;
            identity = id;
        }
        if (slot == ~0u) continue;
        out.slot[out.n] = slot;
        out.identity[out.n++] = identity;
    }
    return out;
}

void feasible_set::count_jobs(const sigrun_view& view, const std::uint64_t* pages, const member_table& members,
                              std::uint64_t now_ns) noexcept {
    if (picks_left_ && now_ns - counted_ns_ < count_every_ns(runners_)) {
        --picks_left_;
        return;
    }
    // Facts of runners change without the fleet doing so, and with them what is feasible.
    if (hash_of(view, pages) != pages_seen_) version_ = 0;
    std::uint64_t jobs = 0;
    for_each_page(view, pages, members, [&](std::uint32_t page, std::uint64_t live) {
        const std::uint64_t* hot = view.hot + std::size_t{page} * 64;
        if (sdk::count_bits(live) < 16) {
            for (; live; live &= live - 1) jobs += SIGRUN_HOT_INFLIGHT(load_once(hot[std::countr_zero(live)]));
        } else {  // slots without a runner have no jobs, and no branch is faster
            for (std::uint32_t i = 0; i < 64; ++i) jobs += SIGRUN_HOT_INFLIGHT(load_once(hot[i]));
        }
    });
    jobs_ = static_cast<double>(jobs);
    counted_ns_ = now_ns;
    picks_left_ = runners_ / 64;
}

}  // namespace sigrun::affinity
