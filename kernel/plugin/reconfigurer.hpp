// Another configuration for the plugins of a running program, in two phases: all instances are asked and all new ones
// started, then everything is put to use, or nothing is. See plugin-sdk.md section 4. On the control thread, so no
// plugin is replaced meanwhile.
#pragma once

#include "kernel/plugin/plugin_set.hpp"
#include "kernel/plugin/reloader.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

class reconfigurer {
public:
    /// All must outlive it; ends with `reloads`.
    reconfigurer(plugin_set& plugins, reloader& reloads) : plugins_(plugins), reloads_(reloads) {}

    /// See plugin_host::reconfigure.
    void run(reconfigure_request request, std::function<void(result<reconfigure_report>)> done);

private:
    struct transaction;
    result<reconfigure_report> carry_out(reconfigure_request& request);
    result<void> prepare(transaction& t, const plugin_set::wanted_set& wanted);
    result<void> change(transaction& t, const std::shared_ptr<instance>& running,
                        const plugin_set::wanted_instance& wanted);
    result<void> add(transaction& t, const plugin_set::wanted_instance& wanted);
    result<std::uint32_t> ask(transaction& t, const std::shared_ptr<instance>& running,
                              const plugin_set::wanted_instance& wanted);
    result<std::shared_ptr<instance>> standby(const transaction& t, const plugin_set::wanted_instance& wanted);
    result<void> change_members(transaction& t);
    void commit(transaction& t);

    plugin_set& plugins_;
    reloader& reloads_;
};

}  // namespace sigrun
