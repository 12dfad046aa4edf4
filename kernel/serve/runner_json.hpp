// Runners as JSON: the RUNNER document of the API.
#pragma once

#include "kernel/serve/methods.hpp"

namespace sigrun {

json::object runner_json(controller& c, const member_ptr& m, bool with_facts);

}  // namespace sigrun
