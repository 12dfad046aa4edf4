// The field `group` of a job document.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/job/run_group.hpp"

namespace sigrun {

/// As it is written: "deploy", or {"name": "deploy", "max": 2, "policy": "cancel_waiting"}.
struct group_wish {
    std::string name;  // not empty, at most 128 bytes
    std::uint32_t max = 0;
    group_policy policy = group_policy::queue;
};
/// The problem names the member.
result<group_wish> read_group_field(const json::value& v);

}  // namespace sigrun
