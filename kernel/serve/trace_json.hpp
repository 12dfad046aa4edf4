// What a pick saw, as jobs.explain tells it.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/job/pick_trace.hpp"

namespace sigrun {

json::object trace_json(const pick_trace& t);

}  // namespace sigrun
