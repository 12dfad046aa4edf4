#include "copier.hpp"

#include "database.hpp"

#include <sqlite3.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace sigrun::sqlite {

using sdk::concat;
using sdk::failure;

namespace {

constexpr int k_pages = 256;  // between two looks at whether it is still wanted
constexpr std::int64_t k_patience_ms = 5000;

[[noreturn]] void refuse(const std::string& target, int error) {
    throw failure(error == EEXIST ? SIGRUN_E_EXISTS : SIGRUN_E_IO,
                  concat("the copy '", target, "' cannot be written: ", std::strerror(error),
                         error == EEXIST ? "; it must be a new file" : ""));
}

/// The file until it is whole: gone if it never is.
class unfinished {
public:
    explicit unfinished(std::string target) : target_(std::move(target)), path_(target_ + ".part") {
        struct stat there {};
        if (::lstat(target_.c_str(), &there) == 0) refuse(target_, EEXIST);
        const int fd = ::open(path_.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
        if (fd < 0) refuse(path_, errno);
        ::close(fd);
    }
    ~unfinished() {
        if (path_.empty()) return;
        remove_helpers();
        ::unlink(path_.c_str());
    }
    unfinished(const unfinished&) = delete;
    unfinished& operator=(const unfinished&) = delete;

    const std::string& path() const noexcept { return path_; }

    /// Gets its name, if that is still free, and both are on the disk.
    void finish() {
        remove_helpers();
        sync(path_, O_RDONLY);
        if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, target_.c_str(), RENAME_NOREPLACE) != 0)
            refuse(target_, errno);
        path_.clear();
        const auto slash = target_.rfind('/');
        sync(slash == std::string::npos ? "." : target_.substr(0, slash + 1), O_RDONLY | O_DIRECTORY);
    }

private:
    void remove_helpers() const noexcept {
        for (const char* helper : {"-journal", "-wal", "-shm"}) ::unlink((path_ + helper).c_str());
    }
    void sync(const std::string& what, int flags) const {
        const int fd = ::open(what.c_str(), flags | O_CLOEXEC);
        const bool good = fd >= 0 && ::fsync(fd) == 0;
        const int error = errno;
        if (fd >= 0) ::close(fd);
        if (!good) refuse(target_, error);
    }

    const std::string target_;
    std::string path_;
};

struct backup_end {
    void operator()(sqlite3_backup* b) const noexcept { sqlite3_backup_finish(b); }
};

}  // namespace

sigrun_result copier::begin(sigrun_op done, std::string target) {
    std::lock_guard lock(mutex_);
    if (stop_) return SIGRUN_E_CANCELLED;
    if (busy_.exchange(true)) return SIGRUN_E_BUSY;
    if (thread_.joinable()) thread_.join();  // it has ended
    copied_ = total_ = 0;
    thread_ = std::thread([this, answer = sdk::op(host_, done), target = std::move(target)]() mutable {
        run(std::move(answer), target);
    });
    return SIGRUN_PENDING;
}

void copier::progress(std::uint64_t& copied, std::uint64_t& total) const noexcept {
    total = busy_ ? total_.load() : 0;
    copied = busy_ ? copied_.load() : 0;
}

copier::~copier() {
    give_up();
    std::lock_guard lock(mutex_);
    if (thread_.joinable()) thread_.join();
}

void copier::run(sdk::op done, const std::string& target) noexcept {
    sdk::thread_scope scope(host_, "sqlite-copy");
    sigrun_result failed = SIGRUN_OK;
    std::string text;
    try {
        text = copy(target);
    } catch (const failure& f) {
        failed = f.code();
        text = f.what();
    } catch (const std::exception& e) {
        failed = SIGRUN_E_INTERNAL;
        text = e.what();
    }
    busy_ = false;  // first: who hears of the end may begin the next one
    if (failed == SIGRUN_OK)
        done.ok(text);
    else
        done.fail(failed, text);
}

std::string copier::copy(const std::string& target) {
    unfinished file(target);
    std::int64_t bytes = 0;
    {
        database from(database_, k_patience_ms), to(file.path(), k_patience_ms);
        // One state of the source until the end: what is written meanwhile goes to its log, and the copy has none of it.
        from.run("BEGIN");
        bytes = from.number("PRAGMA page_size") * from.number("PRAGMA page_count");
        from.number("SELECT count(*) FROM sqlite_schema");
        std::unique_ptr<sqlite3_backup, backup_end> backup(sqlite3_backup_init(to.get(), "main", from.get(), "main"));
        if (!backup) to.fail(sqlite3_extended_errcode(to.get()));
        for (int code = SQLITE_OK; code != SQLITE_DONE;) {
            if (stop_)
                throw failure(SIGRUN_E_CANCELLED, "the copy was given up, because the store ends or is replaced");
            code = sqlite3_backup_step(backup.get(), k_pages);
            if (code != SQLITE_OK && code != SQLITE_DONE) {
                backup.reset();
                to.fail(code);
            }
            const auto all = static_cast<std::uint64_t>(sqlite3_backup_pagecount(backup.get()));
            total_ = all;
            copied_ = all - static_cast<std::uint64_t>(sqlite3_backup_remaining(backup.get()));
        }
    }
    file.finish();
    return concat("{\"bytes\":", bytes, "}");
}

}  // namespace sigrun::sqlite
