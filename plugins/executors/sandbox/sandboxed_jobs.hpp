// Jobs of kind "sandbox": each step in a bubblewrap of its own, below the same shim as every other job.
#pragma once

#include "bubblewrap.hpp"
#include "job_wrapper.hpp"

#include <string>
#include <vector>

namespace sigrun::sandbox {

struct sandbox_rules {
    std::string bwrap;                  // path, or empty
    std::vector<std::string> hide;      // folders that are empty inside
    std::vector<std::string> writable;  // what a job may have writable
};

class sandboxed_jobs final : public process::job_wrapper {
public:
    explicit sandboxed_jobs(sandbox_rules rules) : rules_(std::move(rules)), finder_(rules_.bwrap) {}
    std::string_view kind() const noexcept override { return "sandbox"; }
    bool always() const noexcept override { return true; }
    process::setting_plan wrap(const sdk::job_setting& wanted, const process::wrap_place& place,
                               std::vector<process::step>& steps) const override;
    void describe(sdk::fact_writer& facts) const override;

private:
    sandbox_rules rules_;
    bubblewrap_finder finder_;
};

/// What stands in front of a command. Pure but for what exists. `network`: it has that of the machine; `filtered`: the filter is
/// open at SIGRUN_SHIM_FILTER_AT.
std::vector<std::string> bubblewrap_command(const std::string& program, const sandbox_rules& rules,
                                            const process::wrap_place& place, const std::vector<std::string>& writable,
                                            bool network, bool filtered);

}  // namespace sigrun::sandbox
