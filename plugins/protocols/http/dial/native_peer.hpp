// Whether the answer to GET /v1/version is that of a Sigrun program. Pure.
#pragma once

#include "dial/client.hpp"

namespace sigrun::http {

/// The header Server says so, or, where a proxy put its own name there, the body: a document with a name of ours, or a problem
/// with one of our codes from a peer that asks who calls first.
bool is_native(const client_result& r);

}  // namespace sigrun::http
