// The dialling side: open a link, or find out whether somebody speaks sigrun.v1 over WebSocket there. [any]
#pragma once

#include "connection.hpp"
#include "dial/endpoint.hpp"

#include <sigrun/cpp/dial_group.hpp>

namespace sigrun::websocket {

struct dial_request {
    core_ptr shared;
    loop* on = nullptr;
    sdk::dial_group* dials = nullptr;
    endpoint where;
    time_point deadline;
    bool offer_deflate = false;
};

/// Completes op as sigrun_dial.open says. `link` is freed if that fails.
void open_link(const dial_request& request, const sigrun_sink& frames, sigrun_op op, sigrun_link* link);

/// Completes op with the facts as JSON: a real upgrade, then several round trips of pings.
void detect(const dial_request& request, sigrun_op op);

}  // namespace sigrun::websocket
