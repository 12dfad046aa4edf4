#include "kernel/job/log_store.hpp"

#include "kernel/job/log_syncer.hpp"

#include <filesystem>

namespace sigrun {

log_store::log_store(std::string dir, std::uint64_t limit)
    : dir_(std::move(dir)), limit_(limit), syncer_(std::make_unique<log_syncer>(dir_)) {}

log_store::~log_store() = default;

std::shared_ptr<job_log> log_store::open(const id& job, log_home home) const {
    auto text = job.text();
    return std::make_shared<job_log>(dir_ + "/" + text.substr(34, 2) + "/" + text, limit_, home);
}

std::shared_ptr<job_log> log_store::open(const id& job, std::uint32_t attempt, log_home home) const {
    auto text = job.text();
    return std::make_shared<job_log>(dir_ + "/" + text.substr(34, 2) + "/" + text + "." + std::to_string(attempt),
                                     limit_, home);
}

std::size_t log_store::remove_unknown(const std::function<bool(const id&)>& known) const {
    namespace fs = std::filesystem;
    std::size_t removed = 0;
    std::error_code ec;
    for (fs::directory_iterator folder(dir_, ec), end; !ec && folder != end; folder.increment(ec)) {
        std::error_code unreadable;
        for (fs::directory_iterator it(folder->path(), unreadable); !unreadable && it != end;
             it.increment(unreadable)) {
            const auto kind = it->path().extension();
            if (kind != ".log" && kind != ".idx" && kind != ".parts") continue;
            const auto name = it->path().filename().string();
            const auto uid = id::parse(name.substr(0, name.find('.')));
            if (!uid || known(*uid)) continue;
            std::error_code failed;
            removed += fs::remove_all(it->path(), failed) && kind == ".log";
        }
    }
    return removed;
}

}  // namespace sigrun
