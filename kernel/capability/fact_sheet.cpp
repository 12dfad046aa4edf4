#include "kernel/capability/fact_sheet.hpp"

#include "kernel/capability/canonical_key.hpp"
#include "kernel/capability/fact_block.hpp"

#include <algorithm>
#include <bit>
#include <new>

namespace sigrun {
namespace {

constexpr std::int64_t k_minute_ns = 60'000'000'000;
constexpr std::uint32_t k_as_block = fact_block::k_none - 1;  // the value

/// The begin of the minute within which most of these facts were observed.
std::int64_t common_time(const fact_block& block, const std::vector<fact>& facts) {
    std::vector<std::int64_t> times;
    for (std::uint32_t i = 0; i < block.size(); ++i)
        if (block.value(i) || !block.kind(i).has_value()) times.push_back(facts[i].observed_ns);
    if (times.empty()) return 0;
    std::sort(times.begin(), times.end());
    std::size_t best = 0, most = 0;
    for (std::size_t first = 0, last = 0; first < times.size(); ++first) {
        while (last < times.size() && times[last] - times[first] < k_minute_ns) ++last;
        if (last - first <= most) continue;
        most = last - first;
        best = first;
    }
    return times[best];
}

bool within_minute(std::int64_t time, std::int64_t begin) noexcept {
    return time >= begin && time - begin < k_minute_ns;
}

}  // namespace

/// Eight bytes of a sheet's own part: a head (how many of each follow), facts by index, the times when they were observed, and
/// pairs of an index and a kind for those of which something else is said than in the block.
struct alignas(8) fact_sheet::own_fact {
    std::uint32_t value = fact_block::k_none;  // a place in values_; head: number of facts
    std::uint16_t index = 0;                   // of the fact in the block; head: number of times
    std::uint16_t time = 0;                    // which of the times; head: number of kinds

    static std::int64_t observed(const fact_sheet& of, const own_fact& o) noexcept {
        return std::bit_cast<std::int64_t>(of.own_[1 + std::size_t{of.own_[0].value} + o.time]);
    }
    /// The first pair of an index and a kind.
    static own_fact* kinds(const fact_sheet& of) noexcept {
        return of.own_.get() + of.own_count_ - 2 * std::size_t{of.own_[0].time};
    }
    static fact_kind_ref& kind(own_fact* pair) noexcept {
        return *std::launder(reinterpret_cast<fact_kind_ref*>(pair + 1));
    }
    /// Null: as in the block.
    static const fact_kind_ref* kind_of(const fact_sheet& of, std::uint32_t index) noexcept {
        own_fact* at = kinds(of);
        for (std::size_t left = of.own_[0].time; left; --left, at += 2)
            if (at->index == index) return &kind(at);
        return nullptr;
    }
};

static_assert(sizeof(fact_kind_ref) == 8);

/// Facts that a machine has for itself, in the order of the block.
class fact_sheet::builder {
public:
    builder(std::shared_ptr<const fact_block> block, std::int64_t observed_ns)
        : block_(std::move(block)), observed_ns_(observed_ns) {}

    void add(std::uint32_t index, const fact& f) {
        fact_kind_ref kind(f);
        const packed_value common = block_->value(index);
        const bool valued = kind->has_value();
        auto value = valued ? static_cast<std::uint32_t>(values_.size()) : fact_block::k_none;
        if (valued) pack(values_, f.value);
        if (valued && common && common.bytes() == std::string_view(values_).substr(value)) {
            values_.resize(value);
            value = k_as_block;
        }
        const bool same_words = kind.get() == &block_->kind(index);
        const bool same_value = value == k_as_block || (!valued && !common);
        if (same_words && same_value && within_minute(f.observed_ns, observed_ns_)) return;
        put(index, value, f.observed_ns);
        if (!same_words) kinds_.emplace_back(static_cast<std::uint16_t>(index), std::move(kind));
    }
    void copy(const fact_sheet& from, const own_fact& o) {
        auto value = o.value;
        if (value < k_as_block) {
            value = static_cast<std::uint32_t>(values_.size());
            values_ += packed_value(from.values_.get() + o.value).bytes();
        }
        put(o.index, value, own_fact::observed(from, o));
        if (const fact_kind_ref* kind = own_fact::kind_of(from, o.index)) kinds_.emplace_back(o.index, *kind);
    }
    sheet_ptr make(const digest128& inventory) {
        auto sheet = std::shared_ptr<fact_sheet>(new fact_sheet);
        sheet->block_ = std::move(block_);
        sheet->observed_ns_ = observed_ns_;
        sheet->inventory_ = inventory;
        sheet->values_size_ = static_cast<std::uint32_t>(values_.size());
        if (!values_.empty()) sheet->values_.reset(new char[values_.size()]);
        std::copy(values_.begin(), values_.end(), sheet->values_.get());
        if (own_.empty()) return sheet;
        const std::size_t slots = 1 + own_.size() + times_.size() + 2 * kinds_.size();
        sheet->own_count_ = static_cast<std::uint32_t>(slots);
        sheet->own_ = std::make_unique<own_fact[]>(slots);
        own_fact* to = sheet->own_.get();
        *to++ = {static_cast<std::uint32_t>(own_.size()), static_cast<std::uint16_t>(times_.size()),
                 static_cast<std::uint16_t>(kinds_.size())};
        to = std::copy(own_.begin(), own_.end(), to);
        for (const auto time : times_) *to++ = std::bit_cast<own_fact>(time);
        for (auto& [index, kind] : kinds_) {
            *to++ = {0, index, 0};
            new (to++) fact_kind_ref(std::move(kind));
        }
        return sheet;
    }

private:
    void put(std::uint32_t index, std::uint32_t value, std::int64_t observed_ns) {
        auto at = std::find(times_.begin(), times_.end(), observed_ns);
        if (at == times_.end()) at = times_.insert(at, observed_ns);
        own_.push_back({value, static_cast<std::uint16_t>(index), static_cast<std::uint16_t>(at - times_.begin())});
    }

    std::shared_ptr<const fact_block> block_;
    const std::int64_t observed_ns_;
    std::vector<own_fact> own_;
    std::vector<std::int64_t> times_;
    std::vector<std::pair<std::uint16_t, fact_kind_ref>> kinds_;
    std::string values_;
};

fact fact_view::to_fact() const {
    fact f;
    f.key = kind->key();
    if (value) f.value = value.to_json();
    f.status = kind->status();
    f.volatility = kind->volatility();
    f.unique = kind->unique();
    f.confidence = kind->confidence();
    f.ttl_s = kind->ttl_s();
    f.observed_ns = observed_ns;
    f.method = kind->method();
    f.source = kind->source();
    f.detail = kind->detail();
    return f;
}

fact_sheet::~fact_sheet() {
    if (!own_count_) return;
    own_fact* at = own_fact::kinds(*this);
    for (std::size_t left = own_[0].time; left; --left, at += 2) own_fact::kind(at).~fact_kind_ref();
}

sheet_ptr fact_sheet::of(const capability_document& facts) {
    auto block = fact_block::of(facts);
    const auto& all = facts.facts();
    builder b(block, common_time(*block, all));
    for (std::uint32_t i = 0; i < block->size(); ++i) b.add(i, all[i]);
    return b.make(digest_from_hex(facts.inventory_hash()));
}

sheet_ptr fact_sheet::with(std::span<const fact> news) const {
    std::vector<std::pair<std::uint32_t, const fact*>> changed;
    changed.reserve(news.size());
    for (const fact& f : news) {
        const auto index = block_->index_of(canonical_key(f.key));
        if (index == fact_block::k_none) return nullptr;
        const fact_kind& kind = block_->kind(index);
        const bool hashed = f.volatility == fact_volatility::fixed || f.volatility == fact_volatility::boot;
        if (hashed || kind.volatility() != f.volatility || kind.unique() != f.unique) return nullptr;
        changed.emplace_back(index, &f);
    }
    std::sort(changed.begin(), changed.end());
    builder b(block_, observed_ns_);
    auto next = changed.begin();
    const own_fact* old = own_.get();
    const own_fact* end = old;
    if (own_count_) end = ++old + own_[0].value;
    while (old != end || next != changed.end()) {
        if (next == changed.end() || (old != end && old->index < next->first)) {
            b.copy(*this, *old++);
            continue;
        }
        if (old != end && old->index == next->first) ++old;
        const auto index = next->first;
        while (std::next(next) != changed.end() && std::next(next)->first == index) ++next;  // the last one says it
        b.add(index, *next->second);
        ++next;
    }
    return b.make(inventory_);
}

const fact_sheet::own_fact* fact_sheet::own(std::uint32_t index) const noexcept {
    if (!own_count_) return nullptr;
    const own_fact* const begin = own_.get() + 1;
    const own_fact* const end = begin + own_[0].value;
    const auto* at =
        std::lower_bound(begin, end, index, [](const own_fact& o, std::uint32_t i) { return o.index < i; });
    return at != end && at->index == index ? at : nullptr;
}

fact_view fact_sheet::view(std::uint32_t index) const noexcept {
    const own_fact* mine = own(index);
    if (!mine) return {&block_->kind(index), block_->value(index), observed_ns_};
    const fact_kind_ref* kind = own_fact::kind_of(*this, index);
    fact_view v{kind ? kind->get() : &block_->kind(index), {}, own_fact::observed(*this, *mine)};
    if (mine->value == k_as_block)
        v.value = block_->value(index);
    else if (mine->value != fact_block::k_none)
        v.value = packed_value(values_.get() + mine->value);
    return v;
}

fact_view fact_sheet::find(std::string_view key) const noexcept {
    const auto index = block_->index_of(canonical_key(key));
    return index == fact_block::k_none ? fact_view{} : view(index);
}

std::size_t fact_sheet::size() const noexcept { return block_->size(); }
fact_view fact_sheet::at(std::size_t index) const noexcept { return view(static_cast<std::uint32_t>(index)); }

std::size_t fact_sheet::first_not_before(std::string_view key) const noexcept {
    std::uint32_t first = 0, count = block_->size();
    while (count) {
        const std::uint32_t half = count / 2;
        if (block_->kind(first + half).key() < key) {
            first += half + 1;
            count -= half + 1;
        } else {
            count = half;
        }
    }
    return first;
}

std::vector<fact> fact_sheet::facts() const {
    std::vector<fact> out;
    out.reserve(size());
    for (std::uint32_t i = 0; i < block_->size(); ++i) out.push_back(view(i).to_fact());
    return out;
}

json::array fact_sheet::to_json() const {
    json::array out;
    out.reserve(size());
    for (std::uint32_t i = 0; i < block_->size(); ++i) out.emplace_back(sigrun::to_json(view(i).to_fact()));
    return out;
}

std::string fact_sheet::inventory_hash() const { return to_hex(inventory_); }
std::string fact_sheet::class_hash() const { return to_hex(block_->class_hash()); }
const digest128& fact_sheet::cohort() const noexcept { return block_->cohort(); }
std::size_t fact_sheet::own_bytes() const noexcept {
    return sizeof *this + own_count_ * sizeof(own_fact) + values_size_;
}

}  // namespace sigrun
