// Finds out whether a peer speaks HTTP/1.x: OPTIONS, HEAD and GET only, nothing that changes anything there.
#pragma once

#include "dial/client.hpp"

namespace sigrun::http {

/// [any] Completes `op` with OK and what was found, also when nothing answers. `legacy`: asks for /health as
/// legacy runners offer it, instead of OPTIONS * and /healthz.
void start_detection(const sdk::host& host, loop& where, client_settings settings, bool legacy, time_point deadline,
                     sigrun_op op);

}  // namespace sigrun::http
