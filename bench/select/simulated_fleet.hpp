// What a daemon has between its listener and its jobs, with N runners that are played: the real registry, fleet, selector,
// event log, journal and all balancer plugins, put together as kernel/serve/daemon.cpp does it. A played runner registers,
// tells its facts, beats, drains, breaks off and comes back through the frames that a real one sends; only the wire and the
// parser of its protocol are left out, and the store is none.
#pragma once

#include "bench/select/simulated_machine.hpp"
#include "kernel/link/fleet.hpp"
#include "kernel/store/journal.hpp"
#include "tests/unit/kernel/link/idle_engine.hpp"

#include <sigrun/protocol.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace sigrun::bench {

/// The parts of a daemon; nothing is written to disk but staged plugins in a temporary folder.
class controller {
public:
    controller(std::uint32_t max_runners, const std::string& default_balancer);
    ~controller();
    controller(const controller&) = delete;
    controller& operator=(const controller&) = delete;

    plugin_host& host() { return *host_; }
    registry& runners() { return *runners_; }
    selector& select() { return *select_; }
    fleet& links() { return *fleet_; }
    event_log& events() { return *events_; }

private:
    std::string dir_;
    metrics numbers_;
    std::unique_ptr<plugin_host> host_;
    std::unique_ptr<journal> store_;
    std::unique_ptr<event_log> events_;
    std::unique_ptr<registry> runners_;
    std::unique_ptr<selector> select_;
    link_test::idle_engine engine_;  // jobs of the benchmark go through the selector alone
    std::shared_ptr<fleet> fleet_;
};

/// What kinds of changes a fleet goes through, one after the other.
enum class change_kind : std::uint8_t { fast_fact, slow_fact, capability, drained, link_lost, count };

/// N runners of 40 classes with some 60 facts each. One thread.
class simulated_fleet {
public:
    simulated_fleet(controller& c, std::uint32_t n);
    ~simulated_fleet();

    /// One runner changes: of ten changes four are of fast facts, one of a measured one, two of a capability, so that it
    /// becomes another kind of machine, two of health (drained and back), and one link is lost and comes back.
    change_kind change();
    /// Beats that are due, as each runner sends one every three seconds.
    void beat();

private:
    struct end;  // of a runner's link
    struct runner {
        std::unique_ptr<end> over;
        std::uint64_t generation = 0, revision = 0;
        simulated_machine machine{};
        bool drained = false;
    };
    void connect(std::uint32_t i);
    void lose(std::uint32_t i);
    void tell(std::uint32_t i, json::array news);
    std::string hello(std::uint32_t i);
    std::uint32_t someone() noexcept;

    controller& controller_;
    sigrun_instance abi_{};
    std::shared_ptr<instance> protocol_;
    std::vector<std::string> documents_;  // by class: the facts that its runners share, as JSON without the brackets
    std::vector<runner> runners_;
    std::deque<std::unique_ptr<end>> lost_;                // until their links have let go
    std::uint64_t random_ = 1, changes_ = 0, beaten_ = 0;  // beaten_: beats so far
    std::uint32_t next_beat_ = 0;
    time_point began_{};
};

}  // namespace sigrun::bench
