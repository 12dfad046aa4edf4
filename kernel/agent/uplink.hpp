// One lasting connection to a controller: dials, registers, falls down the ladder, comes back.
//
// It races: the best known way is dialled, the next one 250 ms later or as soon as one has failed, and the first that is
// welcomed is used. After a loss it waits a random time inside a window of 1, 2, 4, then 8 s before it does so again. On a
// lower rung it tries the better ones now and then and moves when one works: the new link says HELLO with the next generation,
// takes the attempts over, and the controller closes the old one, once its last offers are answered. It moves in the same way
// when a link is silent and another way answers (uplink_doubt.cpp), when the controller asks for it (BYE with "reconnect", perhaps over a protocol that it names) and when its own protocol
// plugin is replaced. Everything runs on the host's io thread; start, stop and lost may be called from any.
#pragma once

#include "kernel/agent/agent_link.hpp"
#include "kernel/agent/rung_memory.hpp"
#include "kernel/agent/rungs.hpp"

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sigrun {

class uplink : public std::enable_shared_from_this<uplink> {
public:
    struct hooks {
        /// The HELLO document for this session and generation; `moving`: the former link still works.
        /// `welcomed`: the controller has welcomed this run of the agent before.
        std::function<std::string(const agent_link_ptr& link, const std::string& session, std::uint64_t generation,
                                  bool moving, bool welcomed)>
            hello;
        /// Registered: the link is in use from now on. The text is the WELCOME.
        std::function<void(const agent_link_ptr&, const rung&, const std::string& welcome)> connected;
        /// Forget this link; another one has taken its place.
        std::function<void(const agent_link_ptr&)> replaced;
        /// What calls to the controller bring; empty = nothing.
        std::string auth{};
        /// The controller asked over this link for a protocol that cannot be used.
        std::function<void(const agent_link_ptr&, const std::string& protocol, const std::string& reason)> refused;
    };
    uplink(plugin_host& host, std::vector<rung> rungs, nanoseconds rung_retry, std::weak_ptr<link_handler> handler,
           hooks with);

    void start();
    void stop();
    void lost(const agent_link_ptr& which, const std::string& reason);
    /// The controller wants this link to be left for another connection soon: over the same protocol if none is named, over
    /// the best one that works for "auto". One that it names is kept until it breaks.
    void leave(const agent_link_ptr& which, const std::string& protocol = {});
    /// Nothing answers over this link: another way is looked for, and taken if it answers while this one stays silent.
    void doubt(const agent_link_ptr& which);
    /// It has answered after all.
    void trust(const agent_link_ptr& which);
    /// From now on `now` is dialled with where it was `old`.
    void replace(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);
    /// Leaves the link that is in use if it is one of `old`.
    void leave_protocol(const std::shared_ptr<instance>& old);

private:
    struct leaving_link {
        agent_link_ptr link;
        std::unique_ptr<boost::asio::steady_timer> limit;
    };
    /// One rung that is being tried.
    struct lane {
        std::size_t rung = 0;
        std::uint64_t number = 0;
        agent_link_ptr link;    // dialled, and waits for its WELCOME
        bool due = false;       // the link is to be left again as soon as it is in use
        bool instead = false;   // the one in use is silent
        bool enlisted = false;  // has said HELLO
        std::unique_ptr<boost::asio::steady_timer> limit;
    };
    using lane_ptr = std::shared_ptr<lane>;

    // uplink_race.cpp
    void race(const std::vector<std::size_t>& over);
    void start_lane();
    lane_ptr lane_of(std::uint64_t number) const;
    void limit_lane(const lane_ptr& l, nanoseconds limit, const std::string& why);
    void dialled(std::uint64_t number, const result<agent_link_ptr>& r);
    void enlist(const lane_ptr& l);
    void answered(std::uint64_t number, const result<std::string>& welcome);
    void lane_failed(lane_ptr l, const problem& why);
    void end_race();
    void won(lane_ptr l, const std::string& welcome);
    bool racing() const noexcept { return !lanes_.empty() || !next_.empty(); }

    // uplink_doubt.cpp
    void prove(const lane_ptr& l);
    void take_over(const lane_ptr& l);

    void race_lost(const problem& why);
    void wait_and_retry();
    void watch_for_better(nanoseconds after);
    void move_if_due();
    void let_go(const agent_link_ptr& old);
    bool working() const;
    void on_io(std::function<void(uplink&)> what);

    plugin_host& host_;
    std::vector<rung> rungs_;
    const nanoseconds rung_retry_;
    const std::weak_ptr<link_handler> handler_;
    const hooks hooks_;
    const std::string session_;

    boost::asio::steady_timer retry_;
    boost::asio::steady_timer stagger_;
    boost::asio::steady_timer better_;
    bool stopped_ = false;
    std::uint64_t generation_ = 0;
    bool welcomed_ = false;  // once at least
    std::uint64_t lane_count_ = 0;
    std::vector<lane_ptr> lanes_;
    std::deque<std::size_t> next_;  // rungs that are still to be tried in this race
    rung_memory memory_;

    agent_link_ptr active_;
    std::size_t active_index_ = 0;
    bool active_due_ = false;            // is to be left for another connection
    std::size_t due_index_ = 0;          // over this rung
    bool doubting_ = false;              // it is silent; others must prove that they answer
    bool pinned_ = false;                // the controller named the rung in use: no better one is looked for
    std::vector<leaving_link> leaving_;  // oldest first
    std::uint32_t failures_ = 0;
};

}  // namespace sigrun
