// One attempt from the moment its shim runs: moves output to the sink, enforces the deadline, tells when all is over.
//
// Lives on the executor's reader thread only.
#pragma once

#include "outcome.hpp"
#include "shim_process.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/executor.h>

#include <array>
#include <cstdint>
#include <limits>
#include <string>

namespace sigrun::process {

/// CLOCK_MONOTONIC.
std::uint64_t monotonic_ns() noexcept;
inline constexpr std::uint64_t k_never = std::numeric_limits<std::uint64_t>::max();

struct attempt_limits {
    std::uint64_t deadline_ns = k_never;
    std::uint64_t kill_grace_ns = 0;    // when the deadline passes
    std::uint64_t output_drain_ns = 0;  // for pipes that stay open after the last process
};

struct attempt_source {
    sigrun_op op = 0;
    attempt_names names;
    std::vector<step> steps;
    sigrun_sink sink{};
    attempt_limits limits;
};

class attempt {
public:
    enum class part : std::uint8_t { out, err, control, exit };
    /// What epoll hands back.
    struct watch {
        attempt* owner = nullptr;
        part what = part::out;
        int fd = -1;
        bool armed = false;
    };

    attempt(sdk::host host, attempt_source source, shim_process shim);
    attempt(const attempt&) = delete;
    attempt& operator=(const attempt&) = delete;

    sigrun_op op() const noexcept { return source_.op; }
    /// Starts to listen; events carry a watch*. Once, on the reader thread.
    void begin(int epoll);
    void on_ready(part what);
    /// Retries held output and checks the time limits. Returns when to call again at the latest.
    std::uint64_t tick(std::uint64_t now);
    void kill(kill_cause cause, std::uint64_t grace_ns);
    /// KILL without grace; repeating it does nothing.
    void abort();
    /// From now on output is read and thrown away: nobody wants it, the processes must not block on it.
    void discard_output() noexcept;
    bool finished() const noexcept;
    outcome conclusion() const { return conclude(evidence_, source_.steps); }

private:
    struct held_frame {
        std::uint32_t stream = 0;
        std::uint64_t time_ns = 0;
        sdk::buffer content;
    };

    void arm(watch& w);
    void disarm(watch& w) noexcept;
    watch& at(part what) noexcept { return watches_[static_cast<std::size_t>(what)]; }
    void read_output(part what);
    void end_output(watch& w);
    bool deliver(std::uint32_t stream, std::uint64_t time_ns, sdk::buffer content);
    sigrun_result offer(std::uint32_t kind, std::uint32_t stream, std::uint64_t time_ns, std::string_view json,
                        sigrun_buf* payload) const;
    void read_control();
    void take_message(const sigrun_shim_head& head, const char* body);
    void shim_gone();

    sdk::host host_;
    attempt_source source_;
    shim_process shim_;
    int epoll_ = -1;
    std::array<watch, 4> watches_;
    evidence evidence_;
    std::string inbox_;
    held_frame held_;
    bool holding_ = false;
    bool discard_ = false;
    bool announced_ = false;
    bool gone_ = false;
    bool aborted_ = false;
    std::uint64_t force_at_ = k_never;  // the shim itself is killed
    std::uint64_t drain_until_ = k_never;
};

}  // namespace sigrun::process
