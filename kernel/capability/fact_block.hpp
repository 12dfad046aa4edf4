// What the sheets of a class of machines have in common. A part of fact_sheet.
#pragma once

#include "kernel/capability/fact_sheet.hpp"

#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace sigrun {

/// Immutable, and there is one per class: machines whose facts have equal keys and, where class_hash covers them, equal values.
/// It has the values of the first machine but where they differ by nature: unique and fast facts.
class fact_block {
public:
    static constexpr std::uint32_t k_none = std::numeric_limits<std::uint32_t>::max();

    static std::shared_ptr<const fact_block> of(const capability_document& facts);
    ~fact_block();
    fact_block(const fact_block&) = delete;
    fact_block& operator=(const fact_block&) = delete;

    std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(kinds_.size()); }
    std::uint32_t index_of(std::string_view key) const noexcept;  // k_none: it has no such fact
    const fact_kind& kind(std::uint32_t index) const noexcept { return *kinds_[index].get(); }
    packed_value value(std::uint32_t index) const noexcept {
        return places_[index] == k_none ? packed_value() : packed_value(values_.data() + places_[index]);
    }
    const digest128& class_hash() const noexcept { return class_hash_; }
    const digest128& cohort() const noexcept { return cohort_; }

private:
    friend fact_store_usage stored_facts();
    fact_block(const capability_document& facts, const digest128& identity);
    std::size_t bytes() const noexcept;

    std::vector<fact_kind_ref> kinds_;   // by key
    std::vector<std::uint32_t> places_;  // of the values; k_none: it has none
    std::string values_;
    std::vector<std::uint16_t>
        table_;  // of a power of two: 0, or an index + 1 at or behind the place that the key's hash says
    digest128 identity_{}, class_hash_{}, cohort_{};
};

digest128 digest_from_hex(std::string_view hex) noexcept;
std::string to_hex(const digest128& digest);

}  // namespace sigrun
