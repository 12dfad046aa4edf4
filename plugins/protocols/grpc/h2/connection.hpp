// One HTTP/2 connection, dialled or accepted: nghttp2 on a descriptor, with limits and deadlines. What its streams mean
// is decided by the classes derived from it and from stream.
//
// Threads: the descriptor and nghttp2 belong to the loop's thread. Queues of streams are guarded by mutex(). Owned by its
// loop while the descriptor is open, by its streams, and by links and tasks that refer to it.
#pragma once

#include "h2/stream.hpp"
#include "loop.hpp"
#include "settings.hpp"

#include <nghttp2/nghttp2.h>

#include <functional>
#include <map>
#include <mutex>
#include <vector>

namespace sigrun::grpc {

enum class role { dialled, accepted };

class connection : public io_handler {
public:
    using ping_fn = std::function<void(sigrun_result result, std::uint64_t rtt_ns)>;

    connection(core_ptr shared, loop& on, int fd, role side);
    ~connection() override;

    core& shared() const noexcept { return *shared_; }
    const core_ptr& shared_ptr() const noexcept { return shared_; }
    loop& on() const noexcept { return loop_; }
    role side() const noexcept { return side_; }
    std::mutex& mutex() noexcept { return mutex_; }
    /// [any], with the mutex held: the stream has something to say. Then, without it, wake().
    void touch(stream& s);
    void wake() { loop_.flush_soon(*this); }
    /// [any] A round trip of HTTP/2. E_IO, E_BUSY: `done` is not called.
    sigrun_result ping(ping_fn done);

    // ---- [loop]
    /// Takes part in the loop; the peer's SETTINGS must come by `deadline`.
    void start(std::uint64_t deadline);
    bool is_open() const noexcept { return phase_ == phase::open; }
    bool is_over() const noexcept { return phase_ == phase::lingering || phase_ == phase::dead; }
    /// Ends it and every stream of it. `h2_error`: what the peer is told with GOAWAY.
    void end(sigrun_result result, std::uint32_t h2_error, const std::string& why);
    /// Dialled: opens a stream, which is given its number. False: the peer takes no more, or goes.
    bool submit(const std::shared_ptr<stream>& s, const std::vector<field>& request);
    /// The peer said GOAWAY: no new stream can be opened.
    bool is_told_to_go() const noexcept { return told_to_go_; }
    std::size_t streams() const noexcept { return streams_.size(); }
    /// A stream waits for something that its deadline() tells.
    void arm_soon(std::uint64_t when) { loop_.arm(*this, when); }

    void on_events(std::uint32_t events) override;
    void on_deadline(std::uint64_t now) override;
    void flush() override;
    void on_stop() override;

    // ---- For streams [loop]
    void reset(stream& s, std::uint32_t h2_error);
    void open_window(stream& s, std::size_t bytes);
    /// Counts bytes of unfinished messages; false: too many on this connection.
    bool keeps(std::size_t before, std::size_t after) noexcept;

protected:
    /// Accepted: the stream of a request. Null: it was refused.
    virtual std::shared_ptr<stream> make_stream(std::int32_t, const fields&) { return nullptr; }
    /// Answers a request without a stream: with a status of gRPC, or one of HTTP.
    void refuse(std::int32_t id, const status& how);
    void refuse_http(std::int32_t id, int http_status);
    /// The peer's SETTINGS are there.
    virtual void on_open() {}
    virtual void on_told_to_go() {}
    /// Once, after every stream was told.
    virtual void on_gone(sigrun_result, const std::string&) {}
    /// The descriptor is closed.
    virtual void on_released() {}
    /// When more_deadlines() has something to do; 0 = never.
    virtual std::uint64_t next_deadline() const noexcept { return 0; }
    virtual void more_deadlines(std::uint64_t) {}

    void each_stream(const std::function<void(stream&)>& visit);
    bool has_unread() const noexcept;
    bool is_idle() const noexcept { return streams_.empty(); }
    std::uint64_t last_activity() const noexcept { return last_activity_; }
    void touch_activity(std::uint64_t now) noexcept { last_activity_ = now; }
    nghttp2_session* h2() noexcept { return h2_; }
    void arm_deadlines();

private:
    enum class phase { handshake, open, lingering, dead };
    struct callbacks;
    friend struct callbacks;

    void read();
    void take(std::string_view bytes);
    bool foreign(std::string_view bytes);
    void write_out();
    void advance(stream& s);
    void update_interest();
    void tear_down(sigrun_result result, const std::string& why);
    void release();
    void watch_peer(std::uint64_t now);
    std::uint64_t peer_deadline() const noexcept;
    bool many_resets(std::uint64_t now) noexcept;

    // What nghttp2 reports.
    void on_header(std::string_view name, std::string_view value);
    void on_block(const nghttp2_frame& frame);
    void on_pong(const nghttp2_frame& frame);
    void on_frame(const nghttp2_frame& frame);
    void on_data(std::int32_t id, std::string_view bytes);
    void on_stream_close(std::int32_t id, std::uint32_t h2_error);
    void on_sent(const nghttp2_frame& frame);
    ssize_t give_data(std::int32_t id, char* to, std::size_t room, std::uint32_t& flags);
    stream* find(std::int32_t id) const {
        auto found = streams_.find(id);
        return found == streams_.end() ? nullptr : found->second.get();
    }

    const core_ptr shared_;
    loop& loop_;
    const role side_;

    // [loop]
    int fd_;
    phase phase_ = phase::handshake;
    nghttp2_session* h2_ = nullptr;
    std::uint32_t interest_ = 0;
    bool want_write_ = false;
    bool told_to_go_ = false;
    bool final_goaway_ = false;  // sent: what the peer began after its last stream is not served
    bool first_bytes_seen_ = false;
    fields block_;  // of the frame HEADERS that arrives
    bool block_too_large_ = false;
    std::string wire_;  // taken from nghttp2, partly written
    std::size_t written_ = 0;
    std::map<std::int32_t, std::shared_ptr<stream>> streams_;
    std::size_t kept_ = 0;
    std::uint64_t handshake_deadline_ = 0;
    std::uint64_t linger_deadline_ = 0;
    std::uint64_t last_activity_ = 0;
    std::uint64_t heard_ = 0;
    std::uint64_t asked_ = 0;
    int unanswered_ = 0;
    std::uint64_t blocked_since_ = 0;
    double resets_ = 0;  // a bucket that leaks
    std::uint64_t resets_at_ = 0;
    std::uint64_t next_ping_ = 0;

    std::mutex mutex_;
    bool usable_ = true;
    std::vector<std::shared_ptr<stream>> touched_;
    struct ping_wait {
        std::uint64_t id;  // 0: not sent yet
        std::uint64_t sent;
        ping_fn done;
    };
    std::vector<ping_wait> pings_;
};

}  // namespace sigrun::grpc
