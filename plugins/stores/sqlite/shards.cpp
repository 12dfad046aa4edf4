#include "shards.hpp"

namespace sigrun::sqlite {

using sdk::concat;
using sdk::failure;

namespace {

void put_le(std::string& out, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i));
}
void overwrite_le(std::string& out, std::size_t at, std::uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) out[at + static_cast<std::size_t>(i)] = static_cast<char>(value >> (8 * i));
}
std::int64_t signed_of(std::uint64_t n) noexcept { return n > INT64_MAX ? INT64_MAX : static_cast<std::int64_t>(n); }

}  // namespace

shards::shards(database& db)
    : db_(db),
      take_(db,
            "INSERT INTO shard VALUES(?1, 1, 0) ON CONFLICT(id) DO UPDATE SET epoch = epoch + 1 RETURNING "
            "epoch"),
      raise_(db, "UPDATE shard SET epoch = epoch + 1 WHERE id = ?1 AND epoch = ?2 RETURNING epoch"),
      epoch_(db, "SELECT epoch FROM shard WHERE id = ?1"),
      advance_(db, "UPDATE shard SET seq = seq + ?3 WHERE id = ?1 AND epoch = ?2 RETURNING seq"),
      put_(db,
           "INSERT INTO record(shard, kind, key, position, body) VALUES(?1, ?2, ?3, ?4, ?5) "
           "ON CONFLICT(kind, key, shard) DO UPDATE SET position = excluded.position, body = excluded.body"),
      insert_(db, "INSERT INTO record(shard, kind, key, position, body) VALUES(?1, ?2, ?3, ?4, ?5)"),
      remove_(db, "DELETE FROM record WHERE shard = ?1 AND kind = ?2 AND key = ?3"),
      scan_(db,
            "SELECT kind, key, body, position FROM record WHERE shard = ?1 AND position > ?2 "
            "ORDER BY position LIMIT ?3") {}

std::int64_t shards::current(std::uint32_t shard) {
    resetting r{epoch_};
    return epoch_.bind(1, shard).step() ? epoch_.integer(0) : 0;
}

void shards::fenced(std::uint32_t shard, std::uint64_t epoch) {
    auto newest = current(shard);
    throw failure(SIGRUN_E_FENCED, newest ? concat("shard ", shard, " of '", db_.path(), "' has a newer owner: epoch ",
                                                   newest, ", ours is ", epoch)
                                          : concat("shard ", shard, " of '", db_.path(), "' was never taken"));
}

/// FULL syncs the log at each commit, and with it everything relaxed that was committed before; NORMAL only
/// at checkpoints.
void shards::synchronous(std::uint32_t durability) {
    if (durability == durability_) return;
    db_.run(durability == SIGRUN_FSYNC ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
    durability_ = durability;
}

std::string shards::own(std::uint32_t verb, std::uint32_t shard, std::uint64_t epoch) {
    synchronous(SIGRUN_FSYNC);
    transaction t(db_);
    auto now = static_cast<std::int64_t>(epoch);
    if (verb == SIGRUN_OWN_TAKE) {
        resetting r{take_};
        take_.bind(1, shard).step();
        now = take_.integer(0);
        take_.step();
    } else if (verb == SIGRUN_OWN_RENEW) {
        if (current(shard) != signed_of(epoch)) fenced(shard, epoch);
    } else {
        resetting r{raise_};
        if (!raise_.bind(1, shard).bind(2, signed_of(epoch)).step()) fenced(shard, epoch);
        now = raise_.integer(0);
        raise_.step();
    }
    t.commit();
    return concat("{\"epoch\":", now, "}");
}

std::string shards::append(std::uint32_t shard, std::uint64_t epoch, const std::vector<record>& records,
                           std::uint32_t durability) {
    synchronous(durability);
    transaction t(db_);
    std::int64_t last = 0;
    {
        resetting r{advance_};
        advance_.bind(1, shard).bind(2, signed_of(epoch)).bind(3, static_cast<std::int64_t>(records.size()));
        if (!advance_.step()) fenced(shard, epoch);
        last = advance_.integer(0);
        advance_.step();
    }
    auto position = last - static_cast<std::int64_t>(records.size());
    for (const auto& rec : records) {
        ++position;
        if (rec.flags & SIGRUN_RECORD_DELETE) {
            resetting r{remove_};
            remove_.bind(1, shard).bind(2, rec.kind).bind(3, rec.key).step();
            continue;
        }
        statement& write = rec.flags & SIGRUN_RECORD_INSERT ? insert_ : put_;
        resetting r{write};
        try {
            write.bind(1, shard).bind(2, rec.kind).bind(3, rec.key).bind(4, position).bind(5, rec.body).step();
        } catch (const exists&) {
            throw failure(SIGRUN_E_EXISTS, concat("a record of kind ", rec.kind, " with key '", rec.key, "' exists"));
        }
    }
    t.commit();
    return concat("{\"position\":", last, "}");
}

std::string shards::scan(std::uint32_t shard, std::uint64_t position, std::uint32_t max) {
    resetting r{scan_};
    scan_.bind(1, shard).bind(2, signed_of(position)).bind(3, std::int64_t{max} + 1);
    std::string out;
    out.assign(12, '\0');  // count and next position, known at the end
    std::uint32_t count = 0;
    std::uint64_t last = 0;
    bool more = false;
    while (scan_.step()) {
        if (count == max || out.size() > k_page_bytes) {
            more = true;
            break;
        }
        auto key = scan_.text(1);
        auto body = scan_.text(2);
        last = static_cast<std::uint64_t>(scan_.integer(3));
        put_le(out, static_cast<std::uint64_t>(scan_.integer(0)), 4);
        put_le(out, key.size(), 4);
        put_le(out, body.size(), 4);
        put_le(out, last, 8);
        out += key;
        out += body;
        ++count;
    }
    overwrite_le(out, 0, count, 4);
    overwrite_le(out, 4, more ? last : 0, 8);
    return out;
}

void shards::compact(std::uint32_t shard, std::uint64_t epoch) {
    if (current(shard) != signed_of(epoch)) fenced(shard, epoch);
    // Free pages are used again before the file grows, so some are kept; and few are moved at once, as appends wait meanwhile.
    const auto pages = db_.number("PRAGMA page_count"), unused = db_.number("PRAGMA freelist_count");
    if (unused * 4 > pages) db_.run("PRAGMA incremental_vacuum(1024)");
    db_.run("PRAGMA wal_checkpoint(TRUNCATE)");
}

}  // namespace sigrun::sqlite
