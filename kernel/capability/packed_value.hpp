// JSON values in few bytes, for documents that are kept by the thousand: numbers as varints, names of members as numbers of a
// table that all documents share. A packed_value is a view of such bytes; they are written by pack and by nobody else.
#pragma once

#include "kernel/base/json.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun {

void pack(std::string& to, const json::value& value);

class packed_value {
public:
    enum class kind : std::uint8_t { null, no, yes, integer, natural, real, text, list, record };

    packed_value() = default;  // no value at all
    explicit packed_value(const char* at) noexcept : at_(at) {}
    explicit operator bool() const noexcept { return at_; }

    kind what() const noexcept { return static_cast<kind>(*at_); }
    std::int64_t integer() const noexcept;    // of an integer
    std::uint64_t natural() const noexcept;   // of a natural: a number above the range of integer
    double real() const noexcept;             // of a real
    std::string_view text() const noexcept;   // of a text
    std::uint32_t size() const noexcept;      // elements of a list or a record; 0 of anything else
    std::string_view bytes() const noexcept;  // of the value itself; equal bytes are equal values
    json::value to_json() const;

    /// The elements of a list, one after the other.
    class elements {
    public:
        elements() = default;
        explicit elements(packed_value list) noexcept;
        std::uint32_t left() const noexcept { return left_; }
        packed_value next() noexcept;  // while there are some left

    private:
        const char* at_ = nullptr;
        std::uint32_t left_ = 0;
    };
    /// Of a list, counted from 0; nothing past its end.
    packed_value element(std::uint32_t index) const noexcept;
    /// Of a record; nothing if it has no such member.
    packed_value member(std::string_view name) const noexcept;

private:
    const char* end() const noexcept;
    const char* at_ = nullptr;
};

}  // namespace sigrun
