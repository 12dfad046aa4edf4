#include "kernel/capability/fact_block.hpp"

#include <xxhash.h>

#include <bit>
#include <cstring>
#include <map>
#include <mutex>

namespace sigrun {
namespace {

struct block_table {
    std::mutex mutex;
    std::map<digest128, std::weak_ptr<const fact_block>> all;
};
block_table& blocks() {
    static auto* const table = new block_table;  // sheets may outlive any other static
    return *table;
}

digest128 digest_of(const std::string& text) {
    XXH128_canonical_t bytes;
    XXH128_canonicalFromHash(&bytes, XXH3_128bits(text.data(), text.size()));
    digest128 out;
    std::memcpy(out.data(), bytes.digest, out.size());
    return out;
}

/// Class hash, keys and what says which hash covers their values; with `shared` only of facts that class_hash does not cover.
digest128 outline(const capability_document& facts, bool shared) {
    std::string text = facts.class_hash();
    for (const fact& f : facts.facts()) {
        const bool fixed = f.volatility == fact_volatility::fixed || f.volatility == fact_volatility::boot;
        if (shared && fixed && !f.unique) continue;
        text += f.key;
        text += '\0';
        text += static_cast<char>('0' + static_cast<int>(f.volatility));
        text += f.unique ? 'u' : '-';
    }
    return digest_of(text);
}

bool differs_by_nature(const fact& f) { return f.unique || f.volatility == fact_volatility::fast; }

std::uint32_t place_of(std::string_view key, std::size_t mask) noexcept {
    return static_cast<std::uint32_t>(XXH3_64bits(key.data(), key.size()) & mask);
}

int hex_digit(char c) noexcept { return c <= '9' ? c - '0' : c - 'a' + 10; }

}  // namespace

digest128 digest_from_hex(std::string_view hex) noexcept {
    digest128 out{};
    for (std::size_t i = 0; i < out.size() && 2 * i + 1 < hex.size(); ++i)
        out[i] = static_cast<unsigned char>(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    return out;
}

std::string to_hex(const digest128& digest) {
    static constexpr char k_digits[] = "0123456789abcdef";
    std::string hex;
    hex.reserve(2 * digest.size());
    for (unsigned char byte : digest) {
        hex += k_digits[byte >> 4];
        hex += k_digits[byte & 15];
    }
    return hex;
}

std::shared_ptr<const fact_block> fact_block::of(const capability_document& facts) {
    const digest128 identity = outline(facts, false);
    auto& known = blocks();
    {
        std::lock_guard lock(known.mutex);
        if (const auto at = known.all.find(identity); at != known.all.end())
            if (auto block = at->second.lock()) return block;
    }
    std::shared_ptr<const fact_block> made(new fact_block(facts, identity));
    std::shared_ptr<const fact_block> first;  // of two threads that made it at once
    {
        std::lock_guard lock(known.mutex);
        auto& slot = known.all[identity];
        first = slot.lock();
        if (!first) slot = first = made;
    }
    return first;
}

fact_block::fact_block(const capability_document& facts, const digest128& identity)
    : identity_(identity), class_hash_(digest_from_hex(facts.class_hash())), cohort_(outline(facts, true)) {
    const auto& all = facts.facts();
    kinds_.reserve(all.size());
    places_.reserve(all.size());
    table_.resize(std::bit_ceil(2 * all.size() + 1));
    for (const fact& f : all) {
        kinds_.emplace_back(f);
        const bool here = kinds_.back()->has_value() && !differs_by_nature(f);
        places_.push_back(here ? static_cast<std::uint32_t>(values_.size()) : k_none);
        if (here) pack(values_, f.value);
        auto at = place_of(f.key, table_.size() - 1);
        while (table_[at]) at = (at + 1) & static_cast<std::uint32_t>(table_.size() - 1);
        table_[at] = static_cast<std::uint16_t>(kinds_.size());
    }
    values_.shrink_to_fit();
}

fact_block::~fact_block() {
    auto& known = blocks();
    std::lock_guard lock(known.mutex);
    const auto at = known.all.find(identity_);
    if (at != known.all.end() && at->second.expired()) known.all.erase(at);
}

std::uint32_t fact_block::index_of(std::string_view key) const noexcept {
    const auto mask = static_cast<std::uint32_t>(table_.size() - 1);
    for (auto at = place_of(key, mask); table_[at]; at = (at + 1) & mask)
        if (kinds_[table_[at] - 1u]->key() == key) return table_[at] - 1u;
    return k_none;
}

std::size_t fact_block::bytes() const noexcept {
    return sizeof *this + kinds_.capacity() * sizeof(fact_kind_ref) + places_.capacity() * sizeof(std::uint32_t) +
           values_.capacity() + table_.capacity() * sizeof(std::uint16_t);
}

fact_store_usage stored_facts() {
    fact_store_usage out;
    auto& known = blocks();
    std::vector<std::shared_ptr<const fact_block>> held;  // the last user of one may go meanwhile
    {
        std::lock_guard lock(known.mutex);
        for (const auto& [identity, block] : known.all)
            if (auto b = block.lock()) held.push_back(std::move(b));
    }
    out.blocks = held.size();
    for (const auto& b : held) {
        out.bytes += b->bytes();
        for (const auto place : b->places_) out.records += place != fact_block::k_none;
    }
    const auto kinds = interned_kinds();
    out.kinds = kinds.count;
    out.bytes += kinds.bytes;
    return out;
}

}  // namespace sigrun
