// The parent's side of one conversation with a probe's process, from its start to its end. Bytes are moved on the io thread,
// and looked at on the worker pool, one after another; a child that sends faster than that has to wait.
//
// Keeps itself alive until the process is gone, or has been given up.
#pragma once

#include "kernel/capability/probe_activity.hpp"
#include "kernel/capability/probe_frames.hpp"
#include "kernel/capability/probe_process.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <deque>
#include <memory>

namespace sigrun {

class probe_session;

/// What happens in a session; one call at a time, the end is the last.
class probe_session_owner {
public:
    virtual ~probe_session_owner() = default;
    virtual void heard(probe_session& from, const probe_frame& frame) = 0;
    /// `status`: as wait gives it; nothing: it could not be ended, and take_process has it. `why`: what it did wrong before.
    virtual void ended(probe_session& which, std::optional<int> status, const std::string& why) = 0;
};

class probe_session : public std::enable_shared_from_this<probe_session> {
public:
    probe_session(plugin_host& host, std::shared_ptr<probe_activity> activity, std::weak_ptr<probe_session_owner> owner,
                  std::unique_ptr<probe_process> process, owned_fd socket);

    void begin();
    /// [any]
    void send(std::string frame);
    /// [any] Nothing more is asked of it: it may end by itself. Killed if it takes its time.
    void close();
    /// [any] `why`: it did what a process of its kind does not.
    void kill(std::string why = {});
    pid_t process_id() const noexcept { return id_; }
    /// In `ended`.
    std::unique_ptr<probe_process> take_process() noexcept { return std::move(process_); }

private:
    void write();
    void read();
    void feed(std::size_t n);
    void shut();
    void reap();
    void end(std::optional<int> status);

    plugin_host& host_;
    const probe_activity::presence presence_;
    const std::weak_ptr<probe_session_owner> owner_;
    const pid_t id_;
    std::unique_ptr<probe_process> process_;
    probe_frame_reader frames_;
    std::array<char, 64 * 1024> piece_{};
    // On the io thread.
    boost::asio::local::stream_protocol::socket socket_;
    std::deque<std::string> unsent_;
    bool ending_ = false, killed_ = false, over_ = false;
    bool feeding_ = false;  // the end waits for what was heard
    std::string why_;
    boost::asio::steady_timer timer_;
    std::chrono::milliseconds pause_{0};
    time_point last_step_{};
};

}  // namespace sigrun
