// Header fields as gRPC uses them: lists with limits, `grpc-timeout`, percent-encoded messages, binary values. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::grpc {

struct field {
    std::string name;
    std::string value;
};

class fields {
public:
    void add(std::string_view name, std::string_view value) {
        all_.push_back({std::string(name), std::string(value)});
        size_ += name.size() + value.size() + 32;  // as RFC 7540 counts
    }
    /// Empty if it is absent; the first one if it came twice.
    std::string_view find(std::string_view name) const noexcept {
        for (const auto& f : all_)
            if (f.name == name) return f.value;
        return {};
    }
    std::size_t size() const noexcept { return size_; }
    const std::vector<field>& all() const noexcept { return all_; }
    void clear() {
        all_.clear();
        size_ = 0;
    }

private:
    std::vector<field> all_;
    std::size_t size_ = 0;
};

/// "100m" and the like, in nanoseconds (at most 8 digits); nothing if it is malformed.
std::optional<std::uint64_t> parse_timeout(std::string_view text) noexcept;
std::string format_timeout(std::uint64_t left_ns);

/// Of `grpc-message`.
std::string percent_encode(std::string_view text);
std::string percent_decode(std::string_view text);

/// Of fields whose name ends with "-bin"; padding is optional when reading.
std::string to_base64(std::string_view bytes);
std::optional<std::string> from_base64(std::string_view text);

}  // namespace sigrun::grpc
