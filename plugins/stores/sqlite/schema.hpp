// The tables of the store and their version. A file of another program or of a newer Sigrun is refused.
#pragma once

#include "database.hpp"

namespace sigrun::sqlite {

inline constexpr std::int64_t k_schema_version = 1;
inline constexpr std::int64_t k_application_id = 0x5347524e;  // "SGRN", shown by file(1)

struct settings {
    std::string path;
    std::int64_t busy_timeout_ms = 5000;
    std::int64_t cache_bytes = 0;
    std::int64_t max_bytes = 0;  // 0 = as large as the disk
    bool check = true;
};

/// Checks an opened file, makes the tables when it is empty, sets the connection's modes, and accepts it. Throws
/// sdk::failure.
void prepare(database& db, const settings& wanted);

}  // namespace sigrun::sqlite
