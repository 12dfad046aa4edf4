// The records that a store's `scan` answers with, see sigrun/store.h. Pure; the texts are views into the
// input.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <string_view>
#include <vector>

namespace sigrun {

struct packed_record {
    std::uint32_t kind;
    std::uint64_t position;
    std::string_view key;
    std::string_view body;
};
struct record_page {
    std::vector<packed_record> records;
    std::uint64_t next = 0;  // 0 = this was the last page
};

/// Refuses lengths that do not fit the input and positions that do not rise: a faulty store must not be
/// replayed.
result<record_page> unpack_records(std::string_view packed);

}  // namespace sigrun
