// What the slots of sigrun.store/1 do, on one open database. One thread; answers are the ABI's texts, errors
// are thrown.
#pragma once

#include "database.hpp"

#include <sigrun/store.h>

#include <string>
#include <vector>

namespace sigrun::sqlite {

/// A record whose texts lie in the batch that holds it.
struct record {
    std::uint32_t kind;
    std::uint32_t flags;
    std::string_view key;
    std::string_view body;
};

class shards {
public:
    explicit shards(database& db);

    std::string own(std::uint32_t verb, std::uint32_t shard, std::uint64_t epoch);
    std::string append(std::uint32_t shard, std::uint64_t epoch, const std::vector<record>& records,
                       std::uint32_t durability);
    /// Packed records; ends early after about k_page_bytes.
    std::string scan(std::uint32_t shard, std::uint64_t position, std::uint32_t max);
    void compact(std::uint32_t shard, std::uint64_t epoch);

    static constexpr std::size_t k_page_bytes = 8 * 1024 * 1024;

private:
    void synchronous(std::uint32_t durability);
    std::int64_t current(std::uint32_t shard);
    [[noreturn]] void fenced(std::uint32_t shard, std::uint64_t epoch);

    database& db_;
    statement take_, raise_, epoch_, advance_, put_, insert_, remove_, scan_;
    std::uint32_t durability_ = 0;  // what the connection's `synchronous` is set for now
};

}  // namespace sigrun::sqlite
