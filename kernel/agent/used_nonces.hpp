// Which signed jobs this runner has begun, until their signatures have expired: nobody can have it run one of them again, whatever
// id it is given then. A file of lines "NONCE EXPIRES_NS STARTS JOB" that is added to; the last line of a nonce counts. [any]
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/guard/private_file.hpp"

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sigrun {

class used_nonces {
public:
    static constexpr std::size_t k_most = 200'000;  // with more of them no signed job begins until some have expired

    /// Nothing is touched before the first use. `file` empty: they are forgotten with this process.
    explicit used_nonces(std::string file) : file_(std::move(file)) {}

    /// [work] A job begins: from here on the disk knows it. `most`: how often the same job may. Refused: another job began with this
    /// nonce, it began too often, there is no room, or it cannot be written down.
    result<void> use(std::string_view nonce, std::string_view job, std::int64_t expires_ns, std::uint32_t most,
                     std::int64_t wall_ns);
    std::size_t size() const;

private:
    struct entry {
        std::string job;
        std::int64_t expires_ns = 0;
        std::uint32_t starts = 0;
    };
    result<void> open(std::int64_t wall_ns);
    result<void> rewrite();
    void forget_expired(std::int64_t wall_ns);
    static std::string line_of(std::string_view nonce, const entry& e);

    const std::string file_;
    mutable std::mutex mutex_;
    bool open_ = false;
    owned_fd fd_;
    std::size_t lines_ = 0;  // in the file
    std::int64_t next_sweep_ns_ = 0;
    std::unordered_map<std::string, entry> all_;
};

}  // namespace sigrun
