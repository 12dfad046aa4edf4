// Names to addresses on a few threads, because getaddrinfo blocks, for as long as it likes when a name server is dead.
//
// One lookup per name at a time: who asks for a name that is being looked up, or waits to be, gets the same answer. The
// threads are detached and own what they need, so that a lookup that hangs holds up nobody's end.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/net/socket_address.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

class name_lookup {
public:
    using addresses = std::vector<socket_address>;
    using answer = std::function<void(result<addresses>)>;
    /// May block for as long as it likes; ports are 0.
    using resolver = std::function<result<addresses>(const std::string& name)>;
    static constexpr std::size_t k_threads = 4;
    static constexpr std::size_t k_max_addresses = 16;

    explicit name_lookup(resolver look_up = system_resolver());
    ~name_lookup();  // stop()
    name_lookup(const name_lookup&) = delete;
    name_lookup& operator=(const name_lookup&) = delete;

    /// [any] `done` runs on a thread of the lookups, or before this returns once they are stopped. No lookup begins for
    /// those alone whose deadline has passed.
    void ask(const std::string& name, time_point deadline, answer done);
    /// [any] Who waits is answered now; a lookup that runs is left to itself. No answer is given once it returns. Not from
    /// an answer.
    void stop();
    /// getaddrinfo.
    static resolver system_resolver();

private:
    struct state;
    std::shared_ptr<state> state_;
};

}  // namespace sigrun
