// Finds out whether an endpoint speaks gRPC, and what it has.
#pragma once

#include "dial/opener.hpp"

namespace sigrun::grpc {

/// Completes the op; throws nothing.
void detect(const dial_request& request, sdk::op done);

}  // namespace sigrun::grpc
