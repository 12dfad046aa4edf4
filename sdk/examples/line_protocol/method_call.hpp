// One call of a method of the host, and its replies brought to the loop's thread.
#pragma once

#include "loop.hpp"

#include <sigrun/host.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace line {

struct reply {
    std::string json, payload;
    bool last = false, error = false;
};

/// Made and used on the loop's thread, but for on_frame. Keeps itself alive until the host is done with it; `live` counts
/// those that are.
class method_call : public std::enable_shared_from_this<method_call> {
public:
    method_call(sigrun::sdk::host host, loop& thread, std::size_t& live) : host_(host), loop_(thread), live_(live) {}

    /// `on_reply` runs on the loop's thread for each reply; the last one has `last`. A refusal is a reply, too.
    void begin(std::uint64_t session, std::string_view method, std::string_view params, std::string_view document,
               std::function<void(const reply&)> on_reply);
    /// What was handed to on_reply has left: the host may send as much again.
    void credit();
    /// Nobody wants replies any more; what the call started goes on.
    void abandon();

private:
    static sigrun_result on_frame(void* self, const sigrun_frame* frame) noexcept;  // [any]
    void deliver(const reply& r);

    sigrun::sdk::host host_;
    loop& loop_;
    std::size_t& live_;
    std::function<void(const reply&)> on_reply_;
    std::shared_ptr<method_call> self_;
    std::uint64_t id_ = 0;
    std::size_t delivered_ = 0;  // bytes given to on_reply and not yet credited
    bool over_ = false;          // no reply will come
    bool abandoned_ = false;     // `end` was called: its done lets go
    std::mutex mutex_;
    std::size_t queued_ = 0;  // bytes on their way to the client
    bool stalled_ = false;    // a frame was answered with E_BUSY
};

}  // namespace line
