#include "kernel/serve/plugin_swappers.hpp"

#include "kernel/serve/protocol_swapper.hpp"

#include <sigrun/balancer.h>
#include <sigrun/broker.h>
#include <sigrun/probe.h>

#include <boost/asio/post.hpp>

namespace sigrun {

void set_swappers(plugin_host& plugins, selector& select, detector& local, fleet& links, listener& ears) {
    swapper balancers;
    balancers.check = [&](const auto& old, const auto& now) { return select.can_replace(old, now); };
    balancers.swap = [&](const auto& old, const auto& now) { return select.replace(old, now); };
    balancers.add = [&](const auto& now) { return select.add_balancer(now); };
    balancers.remove = [&](const auto& old) { return select.remove_balancer(old); };
    balancers.counts = [&](const auto& which) { return select.balancer_counts(which); };
    plugins.set_swapper(SIGRUN_KIND_BALANCER, std::move(balancers));

    // The detector asks for the probes of the moment at each run; a new one is tried at once, and a removed one let go. After
    // the step that changes them: only then are the host's probes those it is to see, and none of its time is the swap's.
    // What is posted here has run when end_reloads returns: it waits for the control thread once more after the last step.
    auto probe_again = [&plugins, &local] {
        boost::asio::post(plugins.control(), [&local] {
            local.forget();  // a run under way asks the old one
            local.detect({}, [](const capability_ptr&) {});
        });
    };
    swapper probes;
    probes.check = [](const auto&, const auto&) { return result<void>(); };
    probes.swap = [probe_again](const auto&, const auto&) {
        probe_again();
        return true;
    };
    probes.add = probes.remove = [probe_again](const auto&) {
        probe_again();
        return result<void>();
    };
    plugins.set_swapper(SIGRUN_KIND_PROBE, std::move(probes));

    // Nobody calls an extension; it follows what it extends through the broker, the new one as the old one did.
    swapper extensions;
    extensions.check = [](const auto&, const auto&) { return result<void>(); };
    extensions.swap = [](const auto&, const auto&) { return true; };
    extensions.add = extensions.remove = [](const auto&) { return result<void>(); };
    plugins.set_swapper(SIGRUN_KIND_EXTENSION, std::move(extensions));

    // The fleet dials with what the plugin host has at the moment, so the swap needs nothing of it.
    protocol_users users;
    users.ears = &ears;
    users.settle = [&links](const auto& old, const auto&) { links.leave_protocol(old); };
    plugins.set_swapper(SIGRUN_KIND_PROTOCOL, protocol_swapper(plugins, std::move(users)));
}

}  // namespace sigrun
