// The calls that are open on one connection, by stream. Guarded by the connection's mutex except where noted.
#pragma once

#include "core.hpp"
#include "message.hpp"

#include <sigrun/cpp/host.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace sigrun::valkyrie {

class connection;

/// A call that the peer made. Two parties hold it: the host, until LAST or until end() is done, and the code
/// that runs begin(). The later one frees it.
struct inbound_call {
    explicit inbound_call(core_ptr of) : shared(std::move(of)) { ++shared->open_calls; }
    ~inbound_call() { --shared->open_calls; }
    inbound_call(const inbound_call&) = delete;
    inbound_call& operator=(const inbound_call&) = delete;

    core_ptr shared;
    std::shared_ptr<connection> owner;
    std::uint32_t stream = 0;
    std::uint64_t id = 0;     // the host's; 0 until begin returned PENDING
    std::int64_t credit = 0;  // bytes of streamed replies the peer still takes
    bool bulk = false;        // a reply went the bulk way, so the others follow it
    bool waiting = false;     // the host was told BUSY
    bool last_waits = false;  // for room only: a LAST needs no credit
    bool ended = false;       // LAST was queued, or the caller went away
    std::atomic<int> holders{2};
};

/// Tells the host that the caller of a call it still holds has gone away. Not under the mutex.
void end_for_host(core& shared, inbound_call& call);

class inbound_table {
public:
    bool insert(inbound_call* call) { return calls_.try_emplace(call->stream, call).second; }
    inbound_call* find(std::uint32_t stream) const {
        auto found = calls_.find(stream);
        return found == calls_.end() ? nullptr : found->second;
    }
    void erase(std::uint32_t stream) { calls_.erase(stream); }
    std::size_t size() const noexcept { return calls_.size(); }
    const std::unordered_map<std::uint32_t, inbound_call*>& all() const noexcept { return calls_; }
    std::unordered_map<std::uint32_t, inbound_call*> take_all() { return std::exchange(calls_, {}); }

private:
    std::unordered_map<std::uint32_t, inbound_call*> calls_;
};

/// A call that the host made through this connection. After insertion only the loop's thread touches the
/// members.
struct outbound_call {
    std::uint32_t stream = 0;
    sigrun_sink sink{};
    sdk::op op;
    std::uint64_t deadline = 0;
    bool bulk = false;           // the CALL went the bulk way, so its CALL_END follows it
    bool abandoned = false;      // the op is completed; the stream waits for the peer's LAST
    std::uint64_t arrived = 0;   // bytes of replies
    std::uint64_t granted = 0;   // bytes the peer may have sent
    std::uint64_t consumed = 0;  // taken by the sink, not granted again yet
    struct kept {
        frame_header header;
        std::string body;
    };
    std::deque<kept> waiting;  // the sink was busy
};

/// Streams are slots with generations, so that a stream number is not used again soon.
class outbound_table {
public:
    outbound_call& add() {
        std::uint32_t slot;
        if (free_.empty()) {
            slot = static_cast<std::uint32_t>(slots_.size());
            slots_.emplace_back();
        } else {
            slot = free_.back();
            free_.pop_back();
        }
        auto& s = slots_[slot];
        if (++s.generation > 0xffff) s.generation = 1;
        s.call = std::make_unique<outbound_call>();
        s.call->stream = s.generation << 16 | slot;
        ++open_;
        return *s.call;
    }
    outbound_call* find(std::uint32_t stream) const {
        auto slot = stream & 0xffff;
        if (slot >= slots_.size() || !slots_[slot].call || slots_[slot].call->stream != stream) return nullptr;
        return slots_[slot].call.get();
    }
    std::unique_ptr<outbound_call> remove(std::uint32_t stream) {
        auto slot = stream & 0xffff;
        free_.push_back(slot);
        --open_;
        return std::move(slots_[slot].call);
    }
    std::size_t size() const noexcept { return open_; }
    std::vector<outbound_call*> all() const {
        std::vector<outbound_call*> out;
        for (const auto& s : slots_)
            if (s.call) out.push_back(s.call.get());
        return out;
    }

private:
    struct place {
        std::uint32_t generation = 0;
        std::unique_ptr<outbound_call> call;
    };
    std::vector<place> slots_;
    std::vector<std::uint32_t> free_;
    std::size_t open_ = 0;
};

}  // namespace sigrun::valkyrie
