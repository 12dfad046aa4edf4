// The pipes that a job's processes write to, moved into the spool.
//
// Full spool, full disk: the pipes are not read, and the job waits in write() as on a slow terminal. Single-threaded.
#pragma once

#include "spool_writer.hpp"

#include <sigrun/cpp/redactor.hpp>

#include <poll.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::shim {

class output {
public:
    /// None of `secrets` gets into the spool: not as it is, by lines or in base64.
    output(spool_writer& to, const std::vector<std::string>& secrets)
        : spool_(to), secrets_(secrets), redactors_{sdk::redactor(secrets_), sdk::redactor(secrets_)} {}
    /// Makes the pipes, or with SIGRUN_SHIM_PTY the terminal, which becomes this process's own. False: errno says why.
    bool open(const sigrun_shim_setting& what);
    /// The ends for the job: standard output, standard error.
    int job_end(int stream) const noexcept { return ends_[terminal_ ? 0 : static_cast<std::size_t>(stream)].write; }
    /// No more processes will be given the pipes: from now on they can end.
    void close_job_ends() noexcept;

    /// Moves what is there, for a turn; `readable` from poll, or all when it is called without.
    void move();
    /// What to poll for: two entries, with fd -1 where there is nothing to wait for.
    void watch(pollfd* two) const noexcept;
    /// When to call move() although no pipe is readable: a disk that was full.
    std::optional<std::chrono::steady_clock::time_point> retry_at() const noexcept { return retry_at_; }

    /// From now on it is read and thrown away.
    void discard() noexcept { discard_ = true; }
    /// Every writer has closed, and everything is in the spool.
    bool ended() const noexcept { return held_.empty() && ends_[0].read < 0 && ends_[1].read < 0; }
    /// Waits for room, and not for the job.
    bool stuck() const noexcept { return !discard_ && (!held_.empty() || room() == 0); }
    /// Bytes that were written and are not in the spool.
    std::uint64_t left_behind() const noexcept;

private:
    struct ends {
        int read = -1, write = -1;
    };
    bool open_terminal(const sigrun_shim_setting& what);
    bool move_from(ends& which, sdk::redactor& through, std::uint32_t stream);
    std::uint64_t room() const noexcept;
    bool store_held();

    spool_writer& spool_;
    std::array<ends, 2> ends_;
    bool terminal_ = false;  // ends_[0] is both of its ends
    bool discard_ = false;
    std::optional<std::chrono::steady_clock::time_point> retry_at_;
    std::string_view held_;  // bytes in piece_, or in redacted_, that are not in the spool
    std::uint32_t held_stream_ = 0;
    std::uint64_t held_time_ = 0;
    std::array<char, 65536> piece_;
    const sdk::secret_patterns secrets_;
    std::array<sdk::redactor, 2> redactors_;
    std::string redacted_;
};

}  // namespace sigrun::shim
