#include "database.hpp"

#include <sqlite3.h>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <iterator>

namespace sigrun::sqlite {

using sdk::concat;
using sdk::failure;

namespace {

/// What a person can do about it, where SQLite's own text does not say.
std::string advice(sqlite3* db, int code, std::int64_t busy_timeout_ms) {
    int system = db ? sqlite3_system_errno(db) : 0;
    std::string reason = system ? concat(" (", std::strerror(system), ")") : std::string();
    switch (code & 0xff) {
        case SQLITE_CANTOPEN: return concat(reason, "; its folder must exist and be writable");
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
            return concat("; another process holds its lock and did not release it within ", busy_timeout_ms, " ms");
        case SQLITE_NOTADB:
            return "; restore a copy into an empty folder, or move the file and its -wal away to begin with an empty "
                   "store";
        case SQLITE_CORRUPT:
            return "; the file is damaged: restore a copy into an empty folder, or rescue it with the sqlite3 shell's "
                   ".recover";
        case SQLITE_FULL: return "; the disk or max_size is full: free space there, the next write tries again";
        default: return reason;
    }
}

}  // namespace

database::database(std::string path, std::int64_t busy_timeout_ms)
    : path_(std::move(path)), busy_timeout_ms_(busy_timeout_ms) {
    // Jobs may carry secrets in their environment, so a new file is the owner's alone; SQLite gives its log
    // the same mode. Only a file that was not there is opened here: closing a descriptor would drop the locks
    // this process has on it.
    if (int fd = ::open(path_.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600); fd >= 0) ::close(fd);
    int code =
        sqlite3_open_v2(path_.c_str(), &db_, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    try {
        if (code != SQLITE_OK) fail(code);
        sqlite3_extended_result_codes(db_, 1);
        sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        sqlite3_busy_handler(db_, &database::wait_for_lock, this);
        if (sqlite3_db_readonly(db_, "main") == 1)
            throw failure(SIGRUN_E_IO,
                          concat("database '", path_, "' is read-only for this user; it must be writable"));
    } catch (...) {
        sqlite3_close_v2(db_);
        throw;
    }
}

// SQLite's own handler cannot be called off, and whoever destroys an instance would wait as long as it.
int database::wait_for_lock(void* self, int tries) noexcept {
    auto& me = *static_cast<database*>(self);
    static constexpr std::int64_t k_steps_ms[] = {1, 2, 5, 10, 15, 20, 25};
    if (tries == 0) me.waited_ms_ = 0;
    const auto step =
        std::min(k_steps_ms[std::min<std::size_t>(static_cast<std::size_t>(tries), std::size(k_steps_ms) - 1)],
                 me.busy_timeout_ms_ - me.waited_ms_);
    if (step <= 0 || me.hurried_) return 0;
    sqlite3_sleep(static_cast<int>(step));
    me.waited_ms_ += step;
    return 1;
}

database::~database() { sqlite3_close_v2(db_); }

void database::accept() noexcept { sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr); }

void database::fail(int code) const {
    auto text = concat("database '", path_, "': ", db_ ? sqlite3_errmsg(db_) : sqlite3_errstr(code),
                       advice(db_, code, busy_timeout_ms_));
    if ((code & 0xff) == SQLITE_CONSTRAINT) throw exists(SIGRUN_E_EXISTS, std::move(text));
    if ((code & 0xff) == SQLITE_NOMEM) throw failure(SIGRUN_E_NOMEM, std::move(text));
    throw failure(SIGRUN_E_IO, std::move(text));
}

void database::run(const char* sql) {
    if (int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr); code != SQLITE_OK) fail(code);
}

std::int64_t database::number(const std::string& sql) {
    statement query(*this, sql, false);
    return query.step() ? query.integer(0) : 0;
}

std::string database::text(const std::string& sql) {
    statement query(*this, sql, false);
    return query.step() ? std::string(query.text(0)) : std::string();
}

statement::statement(database& db, std::string_view sql, bool keep) : db_(db) {
    int code = sqlite3_prepare_v3(db.get(), sql.data(), static_cast<int>(sql.size()),
                                  keep ? SQLITE_PREPARE_PERSISTENT : 0, &stmt_, nullptr);
    if (code != SQLITE_OK) db.fail(code);
}

statement::~statement() { sqlite3_finalize(stmt_); }

statement& statement::bind(int column, std::int64_t value) {
    if (int code = sqlite3_bind_int64(stmt_, column, value); code != SQLITE_OK) db_.fail(code);
    return *this;
}

statement& statement::bind(int column, std::string_view value) {
    const char* p = value.data() ? value.data() : "";
    int code = sqlite3_bind_text64(stmt_, column, p, value.size(), SQLITE_STATIC, SQLITE_UTF8);
    if (code != SQLITE_OK) db_.fail(code);
    return *this;
}

bool statement::step() {
    int code = sqlite3_step(stmt_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) db_.fail(code);
    return false;
}

void statement::reset() noexcept {
    sqlite3_reset(stmt_);
    sqlite3_clear_bindings(stmt_);
}

std::int64_t statement::integer(int column) const noexcept { return sqlite3_column_int64(stmt_, column); }

std::string_view statement::text(int column) const noexcept {
    auto* p = reinterpret_cast<const char*>(sqlite3_column_text(stmt_, column));
    return p ? std::string_view(p, static_cast<std::size_t>(sqlite3_column_bytes(stmt_, column))) : std::string_view();
}

transaction::transaction(database& db) : db_(db) { db.run("BEGIN IMMEDIATE"); }

transaction::~transaction() {
    // A full disk may have rolled back already; then this one is refused and nothing is lost.
    if (open_) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void transaction::commit() {
    db_.run("COMMIT");
    open_ = false;
}

}  // namespace sigrun::sqlite
