// One SQLite connection and its prepared statements. Used by one thread at a time; errors are thrown as
// sdk::failure whose text names the file. Statements must be gone before their database.
#pragma once

#include <sigrun/cpp/error.hpp>

#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

struct sqlite3;
struct sqlite3_stmt;

namespace sigrun::sqlite {

/// Thrown for a constraint that an INSERT violated.
class exists : public sdk::failure {
public:
    using failure::failure;
};

class database {
public:
    /// Opens or creates `path` for writing.
    database(std::string path, std::int64_t busy_timeout_ms);
    ~database();
    database(const database&) = delete;
    database& operator=(const database&) = delete;

    sqlite3* get() const noexcept { return db_; }
    const std::string& path() const noexcept { return path_; }
    void run(const char* sql);
    std::int64_t number(const std::string& sql);  // first column of the first row, 0 without rows
    std::string text(const std::string& sql);
    [[noreturn]] void fail(int code) const;
    /// Until this is called, closing leaves the file and its log as they were found: SQLite would otherwise write the
    /// log into a file that was refused, and delete it.
    void accept() noexcept;
    /// [any] Nobody waits for a lock of another process any more; who does is told that it is locked.
    void stop_waiting() noexcept { hurried_ = true; }

private:
    static int wait_for_lock(void* self, int tries) noexcept;

    std::string path_;
    sqlite3* db_ = nullptr;
    std::int64_t busy_timeout_ms_;
    std::int64_t waited_ms_ = 0;
    std::atomic<bool> hurried_{false};
};

class statement {
public:
    statement(database& db, std::string_view sql, bool keep = true);
    ~statement();
    statement(const statement&) = delete;
    statement& operator=(const statement&) = delete;

    /// The texts are borrowed until the next reset.
    statement& bind(int column, std::int64_t value);
    statement& bind(int column, std::string_view value);
    bool step();  // true: a row
    void reset() noexcept;
    std::int64_t integer(int column) const noexcept;
    std::string_view text(int column) const noexcept;  // until the next step or reset

private:
    database& db_;
    sqlite3_stmt* stmt_ = nullptr;
};

/// Resets a statement when the block ends, so that it holds no read lock.
struct resetting {
    statement& what;
    ~resetting() { what.reset(); }
};

/// BEGIN IMMEDIATE ... COMMIT; rolled back unless commit() returned.
class transaction {
public:
    explicit transaction(database& db);
    ~transaction();
    transaction(const transaction&) = delete;
    transaction& operator=(const transaction&) = delete;
    void commit();

private:
    database& db_;
    bool open_ = true;
};

}  // namespace sigrun::sqlite
