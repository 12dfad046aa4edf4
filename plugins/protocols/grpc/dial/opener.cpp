#include "dial/opener.hpp"

#include "wire/problem.hpp"

#include <unistd.h>

namespace sigrun::grpc {

namespace {
/// A dial counts as a connection before it is one, so that an instance that goes waits for it.
std::shared_ptr<void> counted(const core_ptr& shared) {
    ++shared->connections;
    return {shared.get(), [shared](void*) { --shared->connections; }};
}

/// The host gives problem JSON; who asked wants a text.
std::string told_by_host(const std::string& why, sigrun_result result) {
    return why.empty() ? sdk::concat("the host could not connect (result ", result, ")")
                       : status_of(why, result).message;
}
}  // namespace

void open_connection(const dial_request& request, std::function<void(opened)> done) {
    const auto shared = request.shared;
    if (!shared->dials)
        return done({nullptr, SIGRUN_E_UNSUPPORTED,
                     "this host opens no connections for plugins (no service sigrun.host.net/1): it can be served, not "
                     "dialled from",
                     0});
    const sdk::net_target target{request.where.address, request.where.tls, request.where.tls ? "h2" : "",
                                 request.where.options, request.deadline};
    auto connected = [request, done, counts = counted(shared)](sigrun_result result, sdk::net_connection to,
                                                               std::string why) {
        auto proceed = [request, done, counts, result, to, why] {
            if (result != SIGRUN_OK) return done({nullptr, result, told_by_host(why, result), 0});
            if (request.where.tls && to.alpn != "h2") {
                close(to.fd);
                return done({nullptr, SIGRUN_E_UNSUPPORTED, "the peer did not agree on h2 (ALPN)", 0});
            }
            const auto made = std::make_shared<dialled>(request.shared, *request.on, to.fd, request.where);
            // The connection is not captured by its own callback: that would be a cycle.
            std::weak_ptr<dialled> weak = made;
            made->begin(request.deadline,
                        [weak, done, spent = to.connect_ns](sigrun_result ready, const std::string& text) {
                            done({ready == SIGRUN_OK ? weak.lock() : nullptr, ready, text, spent});
                        });
        };
        if (request.on->post(proceed)) return;
        if (to.fd >= 0) close(to.fd);
        done({nullptr, SIGRUN_E_CANCELLED, "the plugin is stopping", 0});
    };
    shared->dials->dial(target, std::move(connected));
}

}  // namespace sigrun::grpc
