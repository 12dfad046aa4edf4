// The one method of gRPC that carries any call of the kernel's.
#pragma once

#include "sigrun/v1/calls.pb.h"

#include <string>

namespace rig {

inline constexpr const char* k_call = "/sigrun.v1.Calls/Call";

inline std::string call_request(const std::string& method, const std::string& document = {}) {
    sigrun::v1::CallRequest r;
    r.set_method(method);
    r.set_document(document);
    return r.SerializeAsString();
}

}  // namespace rig
