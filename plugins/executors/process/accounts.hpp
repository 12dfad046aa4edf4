// As whom a job runs: the user and group that its document names, if the runner's configuration allows them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sigrun::process {

struct account {
    std::uint32_t uid = 0, gid = 0;
    std::vector<std::uint32_t> groups;  // all, as initgroups would set them
    std::string name, home, shell;      // of the user database; empty where it does not know the number
};

/// What the runner lets jobs be.
struct account_rules {
    std::vector<std::string> users;   // names or numbers; "*": every one but root
    std::vector<std::string> groups;  // more than those of the user; names or numbers
};

/// A job that asks for more than the runner allows or can do is not run as somebody else instead.
struct account_refused {
    std::string message;
};

/// Asks the user database, which may take a while. Empty `group`: that of the user. Throws account_refused, and job_error for a
/// name that this machine does not know. [work]
account find_account(const std::string& user, const std::string& group, const account_rules& rules);

/// Gives the workspace and, below it, the way to the working directory to them. Throws account_refused where they could not reach
/// it, with what stands in the way.
void hand_workspace_to(const account& who, const std::string& workspace, const std::string& workdir);

}  // namespace sigrun::process
