// The dialling side: open a link, or find out whether somebody speaks Valkyrie there.
#pragma once

#include "connection.hpp"
#include "endpoint.hpp"

#include <sigrun/cpp/dial_group.hpp>

namespace sigrun::valkyrie {

struct dial_request {
    core_ptr shared;
    loop* on = nullptr;
    sdk::dial_group* dials = nullptr;
    endpoint where;
    std::string options;  // the endpoint's: the host reads what it says about TLS
    std::uint64_t deadline = 0;
};

/// [any] Completes op as sigrun_dial.open says. `link` is freed if that fails.
void open_link(const dial_request& request, const sigrun_sink& frames, sigrun_op op, sigrun_link* link);

/// [any] Completes op with the facts as JSON: a real handshake, then at least five PING round trips.
void detect(const dial_request& request, sigrun_op op);

}  // namespace sigrun::valkyrie
