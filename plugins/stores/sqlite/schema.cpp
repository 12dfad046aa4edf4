#include "schema.hpp"

#include <sqlite3.h>

namespace sigrun::sqlite {

using sdk::concat;
using sdk::failure;

namespace {

constexpr const char* k_tables = R"sql(
CREATE TABLE shard(
  id INTEGER PRIMARY KEY,
  epoch INTEGER NOT NULL,
  seq INTEGER NOT NULL);
CREATE TABLE record(
  shard INTEGER NOT NULL,
  kind INTEGER NOT NULL,
  key TEXT NOT NULL,
  position INTEGER NOT NULL,
  body TEXT NOT NULL,
  UNIQUE(kind, key, shard));
CREATE UNIQUE INDEX record_position ON record(shard, position);
)sql";

// Bringing the log into the file costs two waits for the disk, and a page that changed often is written once: so not after each few
// batches, as SQLite does by itself. The log has 16 MiB then, and a start reads that much more.
constexpr int k_checkpoint_pages = 4096;

// For people with the sqlite3 shell; Sigrun never reads them.
constexpr const char* k_views = R"sql(
CREATE VIEW jobs AS SELECT
  key AS id,
  json_extract(body, '$.state') AS state,
  json_extract(body, '$.reason') AS reason,
  json_extract(body, '$.document.kind') AS kind,
  json_extract(body, '$.document.queue') AS queue,
  json_array_length(body, '$.attempts') AS attempts,
  json_extract(body, '$.attempts[#-1].runner_name') AS runner,
  json_extract(body, '$.attempts[#-1].protocol') AS protocol,
  json_extract(body, '$.end.exit_code') AS exit_code,
  json_extract(body, '$.end.failure.message') AS failure,
  datetime(nullif(json_extract(body, '$.submitted_ns'), 0) / 1000000000, 'unixepoch') AS submitted_at,
  datetime(nullif(json_extract(body, '$.finished_ns'), 0) / 1000000000, 'unixepoch') AS finished_at,
  body FROM record WHERE kind = 1 AND json_valid(body);
CREATE VIEW runners AS SELECT
  key AS id,
  json_extract(body, '$.name') AS name,
  json_extract(body, '$.endpoint') AS endpoint,
  json_extract(body, '$.admin') AS admin,
  datetime(nullif(json_extract(body, '$.registered_ns'), 0) / 1000000000, 'unixepoch') AS registered_at,
  body FROM record WHERE kind = 2 AND json_valid(body);
CREATE VIEW idempotency_keys AS SELECT key, body FROM record WHERE kind = 3;
CREATE VIEW settings AS SELECT key, body FROM record WHERE kind = 4;
)sql";

void create(database& db) {
    db.run("PRAGMA auto_vacuum = INCREMENTAL");  // must come before the first table
    db.run("PRAGMA journal_mode = WAL");
    transaction t(db);
    if (db.number("SELECT count(*) FROM sqlite_schema") == 0) {  // nobody else was faster
        db.run(k_tables);
        db.run(k_views);
        db.run(concat("PRAGMA application_id = ", k_application_id).c_str());
        db.run(concat("PRAGMA user_version = ", k_schema_version).c_str());
    }
    t.commit();
}

}  // namespace

void prepare(database& db, const settings& wanted) {
    const bool fresh = db.number("SELECT count(*) FROM sqlite_schema") == 0;
    if (!fresh) {
        if (db.number("PRAGMA application_id") != k_application_id)
            throw failure(SIGRUN_E_IO,
                          concat("database '", db.path(), "' belongs to another program (application_id ",
                                 db.number("PRAGMA application_id"), ", expected ", k_application_id, ")"));
        auto version = db.number("PRAGMA user_version");
        if (version != k_schema_version)
            throw failure(SIGRUN_E_IO, concat("database '", db.path(), "' has schema version ", version, ", expected ",
                                              k_schema_version,
                                              version > k_schema_version ? "; it was written by a newer Sigrun" : ""));
    } else {
        create(db);
    }
    if (auto mode = db.text("PRAGMA journal_mode = WAL"); mode != "wal")
        throw failure(SIGRUN_E_IO,
                      concat("database '", db.path(), "': journal mode wal is refused by the file system (", mode,
                             "); put it on a local disk"));
    db.run(concat("PRAGMA wal_autocheckpoint = ", k_checkpoint_pages).c_str());
    db.run(concat("PRAGMA cache_size = ", -(wanted.cache_bytes / 1024)).c_str());
    if (wanted.max_bytes) {
        auto pages = wanted.max_bytes / db.number("PRAGMA page_size");
        auto allowed = db.number(concat("PRAGMA max_page_count = ", pages));
        if (allowed > pages)
            throw failure(SIGRUN_E_CONFIG,
                          concat("max_size: expected at least the present size of '", db.path(), "' (",
                                 allowed * db.number("PRAGMA page_size"), " bytes), found ", wanted.max_bytes));
    }
    if (wanted.check && !fresh) {
        if (auto verdict = db.text("PRAGMA quick_check(1)"); verdict != "ok")
            throw failure(
                SIGRUN_E_IO,
                concat("database '", db.path(), "' is damaged: ", verdict,
                       "; restore a copy into an empty folder, or rescue it with the sqlite3 shell's .recover"));
    }
    db.accept();
}

}  // namespace sigrun::sqlite
