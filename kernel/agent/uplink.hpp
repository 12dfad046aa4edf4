// One lasting connection to a controller: dials, registers, falls down the ladder, comes back.
//
// After a loss it waits a random time inside a window of 1, 2, 4, then 8 s. On a lower rung it tries the better ones again
// now and then and moves when one works: the new link says HELLO with the next generation, takes the attempts over, and
// the old one is closed. It moves in the same way, over the same rung, when the controller asks for it (BYE with "reconnect")
// and when its own protocol plugin is replaced; then the controller closes the old link, once its last offers are answered.
// Everything runs on the host's io thread; start, stop and lost may be called from any.
#pragma once

#include "kernel/agent/agent_link.hpp"
#include "kernel/agent/rungs.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

class uplink : public std::enable_shared_from_this<uplink> {
public:
    struct hooks {
        /// The HELLO document for this session and generation; `moving`: the former link still works.
        std::function<std::string(const std::string& session, std::uint64_t generation, bool moving)> hello;
        /// Registered: the link is in use from now on. The text is the WELCOME.
        std::function<void(const agent_link_ptr&, const rung&, const std::string& welcome)> connected;
        /// Forget this link; another one has taken its place.
        std::function<void(const agent_link_ptr&)> replaced;
        /// What calls to the controller bring; empty = nothing.
        std::string auth{};
    };
    uplink(plugin_host& host, std::vector<rung> rungs, nanoseconds rung_retry, std::weak_ptr<link_handler> handler,
           hooks with);

    void start();
    void stop();
    void lost(const agent_link_ptr& which, const std::string& reason);
    /// The controller wants this link to be left for another connection soon.
    void leave(const agent_link_ptr& which);
    /// From now on `now` is dialled with where it was `old`.
    void replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);
    /// Leaves the link that is in use if it is one of `old`.
    void leave_protocol(const std::shared_ptr<instance>& old);

private:
    struct leaving_link {
        agent_link_ptr link;
        std::unique_ptr<boost::asio::steady_timer> limit;
    };
    void try_rung(std::size_t index);
    void dialled(std::uint64_t attempt, const result<agent_link_ptr>& r);
    void answered(std::uint64_t attempt, const result<std::string>& welcome);
    void next_rung(const problem& why);
    void wait_and_retry();
    void watch_for_better();
    void move_if_due();
    void let_go(const agent_link_ptr& old);
    void on_io(std::function<void(uplink&)> what);

    plugin_host& host_;
    std::vector<rung> rungs_;
    const nanoseconds rung_retry_;
    const std::weak_ptr<link_handler> handler_;
    const hooks hooks_;
    const std::string session_;

    boost::asio::steady_timer retry_;
    boost::asio::steady_timer deadline_;
    boost::asio::steady_timer better_;
    bool stopped_ = false;
    std::uint64_t generation_ = 0;
    std::uint64_t attempt_ = 0;  // counts tries; answers to older ones are ignored
    bool trying_ = false;
    std::size_t trying_index_ = 0;
    std::size_t try_end_ = 0;  // rungs up to here are tried
    agent_link_ptr pending_, active_;
    bool pending_due_ = false, active_due_ = false;  // is to be left for another connection
    std::vector<leaving_link> leaving_;              // oldest first
    std::size_t active_index_ = 0;
    std::uint32_t failures_ = 0;
};

}  // namespace sigrun
