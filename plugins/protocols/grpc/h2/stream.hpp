// One HTTP/2 stream that carries one gRPC call, either side of it.
//
// Threads: all virtual calls run on the connection's loop. What is queued may come from any thread, under the connection's
// mutex, which is held for an append only and never across a call into the host or a sink.
#pragma once

#include "h2/outbox.hpp"
#include "wire/deframer.hpp"
#include "wire/metadata.hpp"
#include "wire/status.hpp"

#include <sigrun/base.h>

#include <memory>

namespace sigrun::grpc {

class connection;

class stream : public std::enable_shared_from_this<stream> {
public:
    explicit stream(std::shared_ptr<connection> on);
    virtual ~stream() = default;
    stream(const stream&) = delete;
    stream& operator=(const stream&) = delete;

    std::int32_t id() const noexcept { return id_; }
    connection& on() const noexcept { return *on_; }

    // ---- What arrives [loop]
    /// A whole block: of the request, of the answer, or the trailers.
    virtual void on_headers(const fields& block, bool end) = 0;
    virtual void on_message(std::string message) = 0;
    virtual void on_remote_end() {}
    /// What the peer sent is no gRPC, or too large.
    virtual void on_malformed(const status& why) = 0;
    /// Exactly once, the last call. OK: both sides have ended it.
    virtual void on_closed(sigrun_result result, const std::string& why) = 0;

    // ---- Time and room [loop]
    /// Less than half of what may wait is waiting.
    virtual void on_room() {}
    /// When on_deadline has something to do; 0 = never.
    virtual std::uint64_t deadline() const noexcept { return 0; }
    virtual void on_deadline(std::uint64_t) {}
    /// Something was sent in the other direction that may have made room: offer again what a sink refused.
    virtual void retry() {}

    // ---- Retirement [loop]
    virtual bool is_session() const noexcept { return false; }
    /// A newer generation serves from now on.
    virtual void on_retire() {}

    /// [any] Whether `bytes` more would be too much.
    bool full() const noexcept;

protected:
    friend class connection;

    // ---- What is sent [any], with the connection's mutex held; then on().wake()
    void put(std::string framed_message);
    void put_bulk(std::string framed_message, std::uint64_t key, std::uint64_t charge);
    /// After what is queued: served, the status; dialled, the end of the request. Nothing can be queued afterwards.
    void finish(status how = {});
    /// Served: shows the head before there is a message.
    void show_head();
    /// A sender was told E_BUSY: on_room() follows.
    void wants_room() noexcept { wants_room_ = true; }
    /// [loop] RST_STREAM.
    void reset(std::uint32_t h2_error);
    /// [loop] While held, the peer's window is not opened again.
    void hold_window(bool held);
    bool ended() const noexcept { return finished_ || gone_; }
    outbox& out() noexcept { return out_; }

private:
    void feed(std::string_view bytes);

    const std::shared_ptr<connection> on_;
    std::int32_t id_ = -1;

    // [loop]
    deframer in_;
    bool malformed_ = false;
    bool remote_ended_ = false;
    bool held_ = false;
    std::size_t owed_ = 0;  // bytes of the peer's window that are held
    std::size_t kept_ = 0;  // bytes of an unfinished message, as counted by the connection
    bool head_sent_ = false;
    bool trailers_given_ = false;
    std::uint64_t heard_ = 0;

    // Under the mutex.
    outbox out_;
    bool head_wanted_ = false;
    bool finished_ = false;
    bool touched_ = false;
    bool wants_room_ = false;
    bool gone_ = false;
    status end_;
};

}  // namespace sigrun::grpc
