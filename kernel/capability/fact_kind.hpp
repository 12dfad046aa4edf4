// What is said of a fact beside its value and the time: interned, because thousands of machines are told about in the same
// words. [any]
#pragma once

#include "kernel/capability/facts.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace sigrun {

/// One allocation: this and the texts behind it. Held by fact_kind_ref.
class fact_kind {
public:
    std::string_view key() const noexcept { return {text(), key_}; }
    std::string_view source() const noexcept { return {text() + key_, source_}; }
    std::string_view detail() const noexcept { return {text() + key_ + source_, detail_}; }
    std::string_view method() const noexcept;
    bool assumed() const noexcept;
    std::uint32_t ttl_s() const noexcept { return ttl_s_; }
    fact_status status() const noexcept { return status_; }
    fact_volatility volatility() const noexcept { return volatility_; }
    bool unique() const noexcept { return unique_; }
    std::uint8_t confidence() const noexcept { return confidence_; }
    bool has_value() const noexcept { return status_ == fact_status::ok || status_ == fact_status::stale; }
    /// Covered by class_hash.
    bool of_class() const noexcept {
        return !unique_ && (volatility_ == fact_volatility::fixed || volatility_ == fact_volatility::boot);
    }
    std::size_t bytes() const noexcept { return sizeof *this + key_ + source_ + detail_; }

private:
    friend class fact_kind_ref;
    friend class fact_kind_pool;
    fact_kind() = default;
    const char* text() const noexcept { return reinterpret_cast<const char*>(this + 1); }

    std::uint64_t hash_ = 0;
    mutable std::atomic<std::uint32_t> users_{1};
    std::uint32_t ttl_s_ = 0;
    std::uint16_t key_ = 0, source_ = 0, detail_ = 0;  // lengths
    std::uint8_t method_ = 0, confidence_ = 0;
    fact_status status_ = fact_status::ok;
    fact_volatility volatility_ = fact_volatility::boot;
    bool unique_ = false;
};

class fact_kind_ref {
public:
    fact_kind_ref() = default;
    /// Of this fact; the same object for equal ones.
    explicit fact_kind_ref(const fact& f);
    fact_kind_ref(const fact_kind_ref& other) noexcept;
    fact_kind_ref(fact_kind_ref&& other) noexcept : kind_(std::exchange(other.kind_, nullptr)) {}
    fact_kind_ref& operator=(fact_kind_ref other) noexcept {
        std::swap(kind_, other.kind_);
        return *this;
    }
    ~fact_kind_ref();
    const fact_kind* get() const noexcept { return kind_; }
    const fact_kind* operator->() const noexcept { return kind_; }
    explicit operator bool() const noexcept { return kind_; }

private:
    const fact_kind* kind_ = nullptr;
};

struct fact_kind_usage {
    std::size_t count = 0, bytes = 0;  // with the table they are found in
};
fact_kind_usage interned_kinds();

}  // namespace sigrun
