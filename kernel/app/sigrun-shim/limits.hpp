// The limits of an attempt: put on each step's first process, which hands them to its children, and looked up afterwards.
#pragma once

#include <sigrun/shim.h>

#include <cstdint>

namespace sigrun::shim {

class limits {
public:
    /// The descriptors of sigrun/shim.h; `group` is that of the attempt's own cgroup v2, or -1.
    limits(const sigrun_shim_limits& what, int group) : what_(what), group_(group) {}

    /// A process has to be born in the group, or it would run without limits.
    bool by_group() const noexcept { return what_.controllers != 0 && !(what_.controllers & SIGRUN_SHIM_BY_V1); }
    /// In the child, before exec: joins the cgroups of v1. 0, or errno.
    int join() const noexcept;
    /// In the child, just before exec: lowers its resource limits. 0, or errno.
    int lower() const noexcept;

    /// What the kernel counted in the cgroups.
    void read_counts(sigrun_shim_measured& to) const;

private:
    bool holds(std::uint32_t which) const noexcept { return (what_.controllers & which) != 0; }
    bool v1() const noexcept { return holds(SIGRUN_SHIM_BY_V1); }

    sigrun_shim_limits what_;
    int group_;
};

}  // namespace sigrun::shim
