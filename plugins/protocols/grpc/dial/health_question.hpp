// One grpc.health.v1.Health/Check, asked.
#pragma once

#include "dial/dialled.hpp"

namespace sigrun::grpc {

struct health_answer {
    sigrun_result result = SIGRUN_OK;  // an error: no answer, and why
    std::string why;
    std::string http;   // HTTP status
    bool grpc = false;  // a status of gRPC came
    code what = code::unknown;
    int serving = -1;  // grpc.health.v1.HealthCheckResponse.ServingStatus
    std::uint64_t took_ns = 0;
};

/// [loop] `done` is called once, on the loop.
void ask_health(const std::shared_ptr<dialled>& peer, std::string_view service,
                std::function<void(const health_answer&)> done);

}  // namespace sigrun::grpc
