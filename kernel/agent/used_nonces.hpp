// Which signed jobs this runner has begun, until a minute after their signatures have expired: nobody can have it run one of them
// again, whatever id it is given then. A file that is added to, in which the last line of a nonce counts:
//
//   sigrun-signed-jobs 1
//   NONCE EXPIRES_NS STARTS JOB CRC32C
//
// JOB is a hash of the id, as the controller chooses that; with 0 STARTS none of it was started after all. A line that is not as it
// was written refuses all jobs. Each waits until the disk has its line, without the lock: one syncs for all that came meanwhile. [any]
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/base/result.hpp"
#include "kernel/guard/private_file.hpp"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sigrun {

class used_nonces {
public:
    static constexpr std::size_t k_most = 200'000;  // with more of them no signed job begins until some have expired

    /// Nothing is touched before the first use. `file` empty: they are forgotten with this process.
    used_nonces(std::string file, const clock& clk) : file_(std::move(file)), clock_(clk) {}

    /// [work] A job begins: from here on the disk knows it. `most`: how often the same job may. Refused: another job began with this
    /// nonce, it began too often, it has expired (all of these: errc::conflict), there is no room, or it cannot be written down.
    result<void> use(std::string_view nonce, std::string_view job, std::int64_t expires_ns, std::uint32_t most);
    /// [work] Nothing of what began so was run: it does not count. After a crash it may count nevertheless.
    void give_back(std::string_view nonce, std::string_view job);
    std::size_t size() const;

private:
    struct entry {
        std::string job;
        std::int64_t expires_ns = 0;
        std::uint32_t starts = 0;
    };
    using entries = std::unordered_map<std::string, entry>;
    using held_lock = std::unique_lock<std::mutex>;
    result<void> open(std::int64_t wall_ns);
    result<entries> read() const;
    result<void> rewrite();
    bool is_ours() const;
    result<void> append(std::string_view nonce, const entry& e);
    result<void> reach_disk(held_lock& lock, std::uint64_t line);
    void forget_expired(std::int64_t wall_ns);
    static std::string line_of(std::string_view nonce, const entry& e);
    static bool take_line(std::string_view line, entries& into);
    static void put(entries& into, std::string_view nonce, const entry& e);

    const std::string file_;
    const clock& clock_;
    mutable std::mutex mutex_;
    bool open_ = false;
    std::shared_ptr<const owned_fd> fd_;  // whoever syncs holds it, too
    std::size_t lines_ = 0, bytes_ = 0;   // in the file
    std::int64_t next_sweep_ns_ = 0;
    entries all_;  // kept whatever becomes of the file
    std::uint64_t written_ = 0, synced_ = 0;
    bool syncing_ = false;
    std::condition_variable was_synced_;
};

}  // namespace sigrun
