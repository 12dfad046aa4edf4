// The output of a job on its way from a plugin's thread (callbacks of one jobs.logs call) to the main thread.
// Bounded: when the reader of stdout is slow the plugin's thread waits here, which in turn stops the daemon
// from sending.
#pragma once

#include "kernel/app/sigrun/waiter.hpp"
#include "kernel/link/link.hpp"
#include "kernel/plugin/buffer.hpp"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace sigrun::cli {

struct log_piece {
    std::uint64_t offset = 0;
    std::int64_t time_ns = 0;
    std::string stream;  // "stdout", "stderr", "system"
    buffer_ref content;
    std::uint64_t missing = 0;  // so many bytes from here on are not kept
    std::string_view bytes() const noexcept { return content.view(); }
};

class log_feed : public std::enable_shared_from_this<log_feed> {
public:
    explicit log_feed(waiter& waits) : waits_(waits) {}

    // Callbacks of the call. [any]
    reply_fn replies();
    std::function<void(result<void>)> done();

    // The main thread's side.
    std::vector<log_piece> take();
    bool has_pieces() const;
    struct ending {
        result<void> how;  // the transport's or the daemon's problem
        bool by_transport = false;
        std::string state;  // the job's, from the last frame
    };
    /// Set once everything was taken and the call is over.
    std::optional<ending> ended() const;
    /// Frees a waiting callback; later frames are refused.
    void abandon();

private:
    sigrun_result on_reply(const reply_view& reply);
    void on_done(const result<void>& how);

    static constexpr std::size_t k_most = 4u << 20;
    waiter& waits_;
    mutable std::mutex mutex_;
    std::condition_variable room_;
    std::vector<log_piece> pieces_;
    std::size_t bytes_ = 0;
    std::string state_;
    std::optional<problem> refused_;
    std::optional<ending> ending_;
    bool abandoned_ = false;
};

}  // namespace sigrun::cli
