// From an endpoint to a connection that speaks HTTP/2: the host dials, the handshake follows.
#pragma once

#include "dial/dialled.hpp"

namespace sigrun::grpc {

struct dial_request {
    core_ptr shared;
    loop* on;
    endpoint where;
    std::uint64_t deadline;  // of all of it
};

/// `done` is called once, on the loop (or, if that has ended, anywhere). With an error the connection is null. `connect_ns`:
/// what the host measured. Throws sdk::failure for an endpoint the host does not understand.
struct opened {
    std::shared_ptr<dialled> peer;
    sigrun_result result = SIGRUN_OK;
    std::string why;
    std::uint64_t connect_ns = 0;
};
void open_connection(const dial_request& request, std::function<void(opened)> done);

}  // namespace sigrun::grpc
