#include "kernel/serve/plugin_swappers.hpp"

#include "kernel/serve/protocol_swapper.hpp"

#include <sigrun/balancer.h>
#include <sigrun/probe.h>

namespace sigrun {

void set_swappers(plugin_host& plugins, selector& select, detector& local, fleet& links, listener& ears) {
    plugins.set_swapper(SIGRUN_KIND_BALANCER,
                        {[&](const auto& old, const auto& now) { return select.can_replace(old, now); },
                         [&](const auto& old, const auto& now) { return select.replace(old, now); },
                         {}});
    // The detector asks for the probes of the moment at each run; a new one is tried at once.
    plugins.set_swapper(SIGRUN_KIND_PROBE, {[](const auto&, const auto&) { return result<void>(); },
                                            [&](const auto&, const auto&) {
                                                detect_options again;
                                                again.fresh = true;
                                                local.detect(again, [](const capability_ptr&) {});
                                                return true;
                                            },
                                            {}});
    // The fleet dials with what the plugin host has at the moment, so the swap needs nothing of it.
    protocol_users users;
    users.ears = &ears;
    users.settle = [&links](const auto& old, const auto&) { links.leave_protocol(old); };
    plugins.set_swapper(SIGRUN_KIND_PROTOCOL, protocol_swapper(plugins, std::move(users)));
}

}  // namespace sigrun
