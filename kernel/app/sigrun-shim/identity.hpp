// What a step's first process does to itself, and cannot undo: another user, no new privileges, files that it may not write, system
// calls that it may not make. Everything that comes of it has the same.
#pragma once

#include "plan.hpp"

namespace sigrun::shim {

/// All in the child, in this order. 0, or errno.
int become_user(const plan& what) noexcept;
int give_up_privileges(const plan& what) noexcept;
int give_up_files(const plan& what) noexcept;
/// Last of all: what it forbids may be needed above. The filter is put on, or left open at SIGRUN_SHIM_FILTER_AT.
int take_filter(const plan& what) noexcept;

}  // namespace sigrun::shim
