// The facts of one machine as the controller keeps them, when it has thousands of machines. What machines of a class have in
// common is there once: a block. A sheet is a block and what is this machine's own. Texts beside the values (key, method,
// source, detail) are interned over all blocks. Sheets are immutable; share them by pointer. [any]
//
// When a fact of the block was observed is told to the minute, by the oldest observation of its machine within it; facts that
// change, or were observed at another time, are kept with the exact one.
#pragma once

#include "kernel/capability/fact_kind.hpp"
#include "kernel/capability/facts.hpp"
#include "kernel/capability/packed_value.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace sigrun {

class fact_block;
using digest128 = std::array<unsigned char, 16>;

/// A fact where it lies. Valid as long as its sheet.
struct fact_view {
    const fact_kind* kind = nullptr;  // null: there is no such fact
    packed_value value{};             // none unless its status is ok or stale
    std::int64_t observed_ns = 0;

    explicit operator bool() const noexcept { return kind; }
    fact to_fact() const;
};

class fact_sheet {
public:
    static std::shared_ptr<const fact_sheet> of(const capability_document& facts);
    fact_sheet(const fact_sheet&) = delete;
    fact_sheet& operator=(const fact_sheet&) = delete;

    fact_view find(std::string_view key) const noexcept;  // aliases resolved; a look into a hash table
    std::size_t size() const noexcept;
    fact_view at(std::size_t index) const noexcept;                     // by key
    std::size_t first_not_before(std::string_view key) const noexcept;  // its index; size(): all are before it
    /// The same sheet with these facts in the place of those with their keys; null if that is more than other values of facts
    /// that no hash covers. Cheaper by far than to make it anew.
    std::shared_ptr<const fact_sheet> with(std::span<const fact> news) const;

    std::vector<fact> facts() const;
    json::array to_json() const;
    /// As those of capability_document.
    std::string inventory_hash() const;
    std::string class_hash() const;
    /// Equal for sheets that no requirement over shared facts tells apart.
    const digest128& cohort() const noexcept;
    const fact_block& block() const noexcept { return *block_; }
    /// What is allocated for this sheet alone.
    std::size_t own_bytes() const noexcept;

private:
    struct own_fact;
    class builder;
    fact_sheet() = default;
    fact_view view(std::uint32_t index) const noexcept;
    const own_fact* own(std::uint32_t index) const noexcept;

    std::shared_ptr<const fact_block> block_;
    std::unique_ptr<own_fact[]> own_;
    std::unique_ptr<char[]> values_;
    std::uint32_t own_count_ = 0, values_size_ = 0;
    std::int64_t observed_ns_ = 0;
    digest128 inventory_{};

public:
    ~fact_sheet();
};
using sheet_ptr = std::shared_ptr<const fact_sheet>;

/// What all sheets together hold, beside what is their own.
struct fact_store_usage {
    std::size_t blocks = 0, records = 0, kinds = 0;  // records: facts of blocks that have a value there
    std::size_t bytes = 0;                           // of blocks and kinds
};
fact_store_usage stored_facts();

}  // namespace sigrun
