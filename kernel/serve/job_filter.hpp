// Which jobs a `where` expression means: the language of requirements, over what a list of jobs shows of each.
#pragma once

#include "kernel/job/job.hpp"
#include "kernel/select/requirement.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace sigrun {

/// For one answer; not for several threads.
class job_filter {
public:
    /// Facts: job.state, kind, queue, tenant, priority, durability, runner, protocol, exit_code and failure (the class), and label.NAME. Another
    /// key is a problem with the nearest one. An empty text means every job.
    static result<job_filter> compile(std::string_view text);
    bool matches(job& j);

private:
    explicit job_filter(requirement_ptr r) : where_(std::move(r)) {}
    requirement_ptr where_;                    // null: all
    std::map<std::string, sheet_ptr> sheets_;  // many jobs are alike in all of it
};

}  // namespace sigrun
