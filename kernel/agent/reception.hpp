// The listening side of a runner: answers the few methods that a runner has, and turns the controller's connections into
// links. Made before the plugins are loaded (they may call it), given its agent when there is one.
//
// [any]; never blocks.
#pragma once

#include "kernel/agent/agent.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace sigrun {

class reception final : public call_handler, public link_adopter {
public:
    explicit reception(plugin_host& host) : host_(host) {}
    void open_for(const std::shared_ptr<agent>& who);
    void close();

    sigrun_result begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                        std::uint64_t* call_id, sigrun_error* error, protocol_traffic*) noexcept override;
    void resume(std::uint64_t) noexcept override {}  // every answer is one frame, complete when begin returns
    void end(std::uint64_t, sigrun_fn done, void* ctx) noexcept override;
    sigrun_result adopt(std::shared_ptr<instance> owner, std::uint64_t session, std::string_view ticket,
                        sigrun_link* raw, const sigrun_sink** frames, sigrun_error* error) noexcept override;

private:
    struct ticket_info {
        std::uint64_t session = 0;
        std::string controller;
        time_point expires{};
        std::uint64_t told = 0;  // as agent_link::told
    };
    result<std::string> open_session(agent& who, std::uint64_t session, std::string_view document);

    plugin_host& host_;
    std::mutex mutex_;
    std::weak_ptr<agent> agent_;
    std::map<std::string, ticket_info, std::less<>> tickets_;
};

}  // namespace sigrun
