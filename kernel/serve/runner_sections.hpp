// The [runner NAME] sections: runners that the daemon dials because its configuration says so. They come, change and go
// with it; runners that were added otherwise are left alone.
#pragma once

#include "kernel/base/timer_wheel.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/serve/settings_table.hpp"

#include <map>
#include <memory>
#include <string>

namespace sigrun {

/// What a section says. The fleet judges name and endpoint.
runner_identity runner_of_section(const std::string& name, const bound_section& section);

class runner_sections {
public:
    runner_sections(fleet& links, selector& select, timer_wheel& timers, const clock& clk);
    ~runner_sections();

    /// A problem of the first section that cannot be used, with its origin in `config`.
    result<void> check(const daemon_settings& bound, const settings& config) const;
    /// Makes the fleet what the sections say. Whoever still has jobs and is not named any more gets no new ones, and goes
    /// with the last. [any], one call at a time.
    void apply(const daemon_settings& bound);

private:
    struct sweeper;
    void use(const std::string& name, const bound_section& section);
    void take_out(const std::string& name, const std::shared_ptr<const bound_section>& then);
    void sweep();

    fleet& links_;
    selector& select_;
    timer_wheel& timers_;
    const clock& clock_;
    std::mutex mutex_;
    std::map<std::string, std::shared_ptr<const bound_section>> used_;
    std::map<std::string, std::shared_ptr<const bound_section>>
        leaving_;  // and as what they come back; null: not at all
    std::shared_ptr<sweeper> sweeper_;
};

}  // namespace sigrun
