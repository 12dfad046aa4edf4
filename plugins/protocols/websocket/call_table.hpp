// The calls that are open on one connection, by number. Guarded by the connection's mutex except where noted.
#pragma once

#include "core.hpp"

#include <sigrun/cpp/wire_frame.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <unordered_map>
#include <vector>

namespace sigrun::websocket {

class connection;

/// A call that the peer made. Two parties hold it: the host, until LAST or until end() is done, and the code that runs
/// begin(). The later one frees it.
struct inbound_call {
    explicit inbound_call(core_ptr of) : shared(std::move(of)) { ++shared->open_calls; }
    ~inbound_call() { --shared->open_calls; }
    inbound_call(const inbound_call&) = delete;
    inbound_call& operator=(const inbound_call&) = delete;

    core_ptr shared;
    std::shared_ptr<connection> owner;
    std::uint64_t number = 0;   // the peer's
    std::uint64_t host_id = 0;  // 0 until begin returned PENDING
    bool waiting = false;       // the host was told BUSY
    bool ended = false;         // LAST was queued, or the caller went away
    std::atomic<int> holders{2};
};

/// Tells the host that the caller of a call it still holds has gone away. Not under the mutex.
void end_for_host(core& shared, inbound_call& call);

/// A call that the host made. After insertion only the loop's thread touches the members.
struct outbound_call {
    std::uint64_t number = 0;
    sigrun_sink sink{};
    sdk::op op;
    std::uint64_t deadline_ns = 0;        // 0 = none
    bool abandoned = false;               // the op is completed; the number waits for the peer's LAST
    std::deque<sdk::wire_frame> waiting;  // the sink was busy
};

}  // namespace sigrun::websocket
