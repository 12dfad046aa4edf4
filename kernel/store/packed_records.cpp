#include "kernel/store/packed_records.hpp"

#include <string>

namespace sigrun {
namespace {

/// Reads little-endian numbers and texts from the front.
struct reader {
    std::string_view rest;
    bool good = true;

    std::uint64_t number(std::size_t bytes) {
        std::uint64_t value = 0;
        auto raw = text(bytes);
        for (std::size_t i = raw.size(); i > 0; --i) value = value << 8 | static_cast<unsigned char>(raw[i - 1]);
        return value;
    }
    std::string_view text(std::size_t n) {
        good = good && n <= rest.size();
        if (!good) return {};
        auto out = rest.substr(0, n);
        rest.remove_prefix(n);
        return out;
    }
};

problem damaged(std::string what) { return make_problem(errc::io, "the store answered damaged records: " + what); }

}  // namespace

result<record_page> unpack_records(std::string_view packed) {
    constexpr std::size_t k_head = 20;  // of one record
    reader in{packed};
    record_page page;
    const auto count = in.number(4);
    page.next = in.number(8);
    if (!in.good || count > in.rest.size() / k_head) return damaged("more records announced than bytes sent");
    page.records.reserve(static_cast<std::size_t>(count));
    std::uint64_t last = 0;
    for (std::uint64_t i = 0; i < count; ++i) {
        packed_record r{};
        r.kind = static_cast<std::uint32_t>(in.number(4));
        const auto key = in.number(4);
        const auto body = in.number(4);
        r.position = in.number(8);
        r.key = in.text(static_cast<std::size_t>(key));
        r.body = in.text(static_cast<std::size_t>(body));
        if (!in.good) return damaged("record " + std::to_string(i + 1) + " is cut off");
        if (r.position <= last)
            return damaged("position " + std::to_string(r.position) + " after " + std::to_string(last));
        last = r.position;
        page.records.push_back(r);
    }
    if (!in.rest.empty()) return damaged(std::to_string(in.rest.size()) + " bytes after the last record");
    if (page.next && page.next != last) return damaged("the next page begins elsewhere than this one ends");
    return page;
}

}  // namespace sigrun
