// What a connection waits for before it can finish the answer to its current request.
#pragma once

#include "loop.hpp"

#include <functional>

namespace sigrun::http {

/// All [loop]. Owned by the connection until its answer is finished.
class pending {
public:
    virtual ~pending() = default;
    /// Pieces of the answer are sent as they come: a peer that closed its side has no use for the rest.
    virtual bool streams() const noexcept { return false; }
    /// Something was written; `backlog` bytes are still queued.
    virtual void wrote(std::size_t backlog) { (void)backlog; }
    virtual void tick(time_point now) { (void)now; }
    /// The connection is closed. `done` runs once, on any thread, when nothing more can arrive for it.
    virtual void gone(std::function<void()> done) { done(); }
};

}  // namespace sigrun::http
