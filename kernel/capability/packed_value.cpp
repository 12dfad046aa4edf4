#include "kernel/capability/packed_value.hpp"

#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

namespace sigrun {
namespace {

using kind = packed_value::kind;

/// Names of members, numbered for ever. They come from the wire, so the table is bounded; what does not fit is written out.
class name_table {
public:
    static constexpr std::size_t k_room = 4096;
    static constexpr std::size_t k_longest = 64;

    std::optional<std::uint32_t> number_of(std::string_view name) {
        if (name.size() > k_longest) return std::nullopt;
        std::lock_guard lock(mutex_);
        if (const auto at = numbers_.find(name); at != numbers_.end()) return at->second;
        if (numbers_.size() == k_room) return std::nullopt;
        const auto number = static_cast<std::uint32_t>(numbers_.size());
        const auto at = numbers_.emplace(std::string(name), number).first;
        names_[number].store(&at->first, std::memory_order_release);
        return number;
    }
    std::string_view name(std::uint32_t number) const noexcept {
        return *names_[number].load(std::memory_order_acquire);
    }

private:
    std::mutex mutex_;
    std::map<std::string, std::uint32_t, std::less<>> numbers_;
    std::array<std::atomic<const std::string*>, k_room> names_{};
};

name_table& names() {
    static auto* const table = new name_table;  // values may outlive any other static
    return *table;
}

void put_number(std::string& to, std::uint64_t n) {
    for (; n >= 0x80; n >>= 7) to += static_cast<char>(n | 0x80);
    to += static_cast<char>(n);
}

std::uint64_t take_number(const char*& at) noexcept {
    std::uint64_t n = 0;
    for (unsigned shift = 0;; shift += 7) {
        const auto byte = static_cast<std::uint8_t>(*at++);
        n |= std::uint64_t{byte & 0x7fu} << shift;
        if (byte < 0x80) return n;
    }
}

std::string_view take_text(const char*& at) noexcept {
    const auto size = static_cast<std::size_t>(take_number(at));
    const std::string_view text{at, size};
    at += size;
    return text;
}

/// An odd number is a name of the table, an even one the length of a name that follows.
void put_name(std::string& to, std::string_view name) {
    if (const auto number = names().number_of(name)) return put_number(to, std::uint64_t{*number} << 1 | 1);
    put_number(to, std::uint64_t{name.size()} << 1);
    to += name;
}

std::string_view take_name(const char*& at) noexcept {
    const auto n = take_number(at);
    if (n & 1) return names().name(static_cast<std::uint32_t>(n >> 1));
    const std::string_view name{at, static_cast<std::size_t>(n >> 1)};
    at += name.size();
    return name;
}

void put_kind(std::string& to, kind k) { to += static_cast<char>(k); }

/// kind, bytes that follow, count, elements
template <class Elements>
void put_container(std::string& to, kind k, std::size_t count, Elements&& elements) {
    std::string inside;
    put_number(inside, count);
    elements(inside);
    put_kind(to, k);
    put_number(to, inside.size());
    to += inside;
}

}  // namespace

void pack(std::string& to, const json::value& value) {
    switch (value.kind()) {
        case json::kind::bool_: return put_kind(to, value.get_bool() ? kind::yes : kind::no);
        case json::kind::int64: {
            const std::int64_t n = value.get_int64();
            put_kind(to, kind::integer);
            return put_number(to, static_cast<std::uint64_t>(n) << 1 ^ static_cast<std::uint64_t>(n >> 63));
        }
        case json::kind::uint64: {
            const std::uint64_t n = value.get_uint64();
            if (n <= static_cast<std::uint64_t>(INT64_MAX)) return pack(to, json::value(static_cast<std::int64_t>(n)));
            put_kind(to, kind::natural);
            return put_number(to, n);
        }
        case json::kind::double_: {
            const auto bits = std::bit_cast<std::array<char, 8>>(value.get_double());
            put_kind(to, kind::real);
            to.append(bits.data(), bits.size());
            return;
        }
        case json::kind::string: {
            put_kind(to, kind::text);
            put_number(to, value.get_string().size());
            to += std::string_view(value.get_string());
            return;
        }
        case json::kind::array:
            return put_container(to, kind::list, value.get_array().size(), [&](std::string& inside) {
                for (const auto& item : value.get_array()) pack(inside, item);
            });
        case json::kind::object:
            return put_container(to, kind::record, value.get_object().size(), [&](std::string& inside) {
                for (const auto& [name, item] : value.get_object()) {
                    put_name(inside, name);
                    pack(inside, item);
                }
            });
        default: return put_kind(to, kind::null);
    }
}

std::int64_t packed_value::integer() const noexcept {
    const char* at = at_ + 1;
    const std::uint64_t n = take_number(at);
    return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
}

std::uint64_t packed_value::natural() const noexcept {
    const char* at = at_ + 1;
    return take_number(at);
}

double packed_value::real() const noexcept {
    double value = 0;
    std::memcpy(&value, at_ + 1, sizeof value);
    return value;
}

std::string_view packed_value::text() const noexcept {
    const char* at = at_ + 1;
    return take_text(at);
}

std::uint32_t packed_value::size() const noexcept {
    if (what() != kind::list && what() != kind::record) return 0;
    const char* at = at_ + 1;
    take_number(at);
    return static_cast<std::uint32_t>(take_number(at));
}

const char* packed_value::end() const noexcept {
    const char* at = at_ + 1;
    switch (what()) {
        case kind::integer:
        case kind::natural: take_number(at); return at;
        case kind::real: return at + sizeof(double);
        case kind::text:
        case kind::list:
        case kind::record: {
            const auto inside = take_text(at);
            return inside.data() + inside.size();
        }
        default: return at;
    }
}

std::string_view packed_value::bytes() const noexcept { return {at_, static_cast<std::size_t>(end() - at_)}; }

packed_value::elements::elements(packed_value list) noexcept {
    if (list.what() != kind::list) return;
    at_ = list.at_ + 1;
    take_number(at_);
    left_ = static_cast<std::uint32_t>(take_number(at_));
}

packed_value packed_value::elements::next() noexcept {
    const packed_value item(at_);
    at_ = item.end();
    --left_;
    return item;
}

packed_value packed_value::element(std::uint32_t index) const noexcept {
    elements all(*this);
    if (index >= all.left()) return {};
    for (; index; --index) all.next();
    return all.next();
}

packed_value packed_value::member(std::string_view name) const noexcept {
    if (what() != kind::record) return {};
    const char* at = at_ + 1;
    take_number(at);
    for (auto left = take_number(at); left; --left) {
        const auto found = take_name(at);
        const packed_value item(at);
        if (found == name) return item;
        at = item.end();
    }
    return {};
}

json::value packed_value::to_json() const {
    switch (what()) {
        case kind::no: return false;
        case kind::yes: return true;
        case kind::integer: return integer();
        case kind::natural: return natural();
        case kind::real: return real();
        case kind::text: return json::value(json::string_view(text().data(), text().size()));
        case kind::list: {
            json::array out;
            elements all(*this);
            out.reserve(all.left());
            while (all.left()) out.push_back(all.next().to_json());
            return out;
        }
        case kind::record: {
            json::object out;
            const char* at = at_ + 1;
            take_number(at);
            for (auto left = take_number(at); left; --left) {
                const auto name = take_name(at);
                const packed_value item(at);
                out[name] = item.to_json();
                at = item.end();
            }
            return out;
        }
        default: return nullptr;
    }
}

}  // namespace sigrun
