// The runner's side of every session: says what this machine is, takes offers, runs them, reports.
//
// [any] unless said otherwise. Lives in a shared_ptr; stop() before the plugin host is shut down.
#pragma once

#include "kernel/agent/agent_identity.hpp"
#include "kernel/agent/agent_link.hpp"
#include "kernel/agent/agent_options.hpp"
#include "kernel/agent/assignment_table.hpp"
#include "kernel/agent/fact_revisions.hpp"
#include "kernel/agent/path_watch.hpp"
#include "kernel/agent/self_benchmark.hpp"
#include "kernel/agent/uplink.hpp"
#include "kernel/base/id.hpp"
#include "kernel/base/rundown.hpp"
#include "kernel/capability/detector.hpp"

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

namespace sigrun {

struct swept_plugin;

class agent final : public link_handler, public std::enable_shared_from_this<agent> {
public:
    agent(plugin_host& host, detector& facts, agent_options options, agent_identity me);
    ~agent() override;
    agent(const agent&) = delete;
    agent& operator=(const agent&) = delete;

    /// Called with one line whenever a controller is connected; set before start.
    void set_announcer(std::function<void(const std::string&)> announce) { announce_ = std::move(announce); }
    /// Detects this machine (blocking, for a moment: what takes longer is told when it is known), cleans up, begins to dial.
    result<void> start();
    /// No new offers; `done` runs once when nothing is left to do, or after `limit`, when what still runs has been ended
    /// as preempted.
    void drain(nanoseconds limit, std::string reason, std::function<void()> done);
    /// No new offers, and nothing is told any more: the process can end, and the next one on this state directory goes on
    /// with the jobs. Returns how many run.
    std::size_t hand_over();
    /// Ends everything now; a drain that waits is over when all processes are gone.
    void abort();
    /// Closes the links. Blocking; attempts must be over, or they are cancelled without grace.
    void stop();

    // agent_plugins.cpp
    /// Tells the host how this agent's plugins are replaced; before start.
    void set_swappers();
    /// Replaces one plugin, or all that changed if `name` is empty; see sweep_plugins.
    void reload_plugins(const std::string& name, std::function<void(const std::vector<swept_plugin>&)> done);
    /// Other plugins or versions of them are in use now: the controllers are told, soon. `probes`: the facts are measured again.
    void plugins_changed(bool probes);

    // agent_beat.cpp
    /// Something that probes read may be another now: what is past its time is read, and the controllers are told what changed.
    void facts_changed() { refresh_facts(nullptr); }

    std::uint32_t slots() const noexcept { return table_->slots(); }
    const std::string& name() const noexcept { return me_.name; }
    std::size_t running() const noexcept { return table_->used(); }
    std::size_t open_attempts() const { return table_->open(); }
    /// To a controller, be it one of several.
    bool connected() const;

    /// How a HELLO begins a session.
    struct introduction {
        std::string session;
        std::uint64_t generation = 0;
        bool moving = false;
        std::optional<std::uint64_t> facts_since =
            0;  // a revision that the controller has; nothing: it will say what it has
    };
    struct hello_document {
        std::string text;
        std::uint64_t told = 0;  // as agent_link::told
    };
    hello_document hello(const introduction& how) const;
    /// The revision of this run's facts that a document of a controller says it has; 0: none.
    std::uint64_t known_revision(const json::object& document) const;
    /// A controller opened a session through a listener. conflict: another controller holds this runner.
    result<void> may_adopt(const std::string& controller) const;
    void adopted(const agent_link_ptr& link);
    /// A protocol plugin was replaced: from now on `now` is dialled with. The same with the two exchanged takes it back.
    void replace_protocol(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now);
    /// It is settled: connections that `old` dialled move, make before break; controllers that dialled in are asked to move,
    /// if the plugin does not do that itself.
    void leave_protocol(const std::shared_ptr<instance>& old);

    sigrun_result on_frame(const link_ptr& from, const sigrun_frame& frame) override;
    void on_lost(const link_ptr& which, const std::string& reason) override;

private:
    void connected(const agent_link_ptr& link, const std::string& welcome);
    void forget_link(const agent_link_ptr& link);
    void add_link(const agent_link_ptr& link);
    void apply_welcome(const agent_link_ptr& link, const json::object& welcome);
    std::vector<agent_link_ptr> links() const;
    static sigrun_result send_text(const link_ptr& to, std::uint32_t kind, const std::string& text);
    void send_to_all(std::uint32_t kind, const std::string& text) const;
    std::uint32_t places() const;

    // agent_beat.cpp
    void tick();
    void arm_tick();
    void send_beat(const link_ptr& via) const;
    void look_at_machine();
    void compare_clocks(const sigrun_frame& answer) const;
    void arm_facts();
    /// Whoever asks says what it `knows`. Null: nobody asked, tell only changes. What takes longer is told when it is known.
    void refresh_facts(const agent_link_ptr& asker, std::uint64_t knows = 0);
    void read_all_facts();
    void facts_found(const capability_ptr& found, const agent_link_ptr& asker, std::uint64_t knows);
    fact_revisions::change take_facts(std::vector<fact> now);  // under the lock
    void look_at_benchmark();
    void look_at_path();

    // agent_facts.cpp
    /// A HELLO after the first: `message`, and what its controller does not know yet.
    void tell(const agent_link_ptr& link, json::object message, bool with_attempts = false);
    void tell_since(const agent_link_ptr& link, json::object message, bool with_attempts, std::uint64_t base);
    void tell_all(const json::object& message = {}, const agent_link_ptr& but = nullptr);
    void tell_if_behind(const agent_link_ptr& link);
    void tell_minor_changes(time_point now);
    std::vector<fact> what_it_says_of_itself(std::uint32_t slots) const;
    void look_at_job_keys(time_point now);
    void take_described(std::vector<fact> said);
    void describe_again();

    // agent_plugins.cpp
    void reload_for(const json::object& request);
    void probe_again();
    void tell_renewed(const capability_ptr& found);  // null: nothing was measured
    fact_revisions::change renew_facts(const capability_ptr& found);

    // agent_drain.cpp
    void check_drained();
    void end_what_runs(nanoseconds grace);

    plugin_host& host_;
    detector& detector_;
    const agent_options options_;
    const agent_identity me_;
    const std::string process_ = id::make().text();  // tells a restarted agent from one that lost its connection
    std::function<void(const std::string&)> announce_;
    std::shared_ptr<assignment_table> table_;
    std::shared_ptr<machine_watch> machine_;
    std::string trouble_told_;  // in the last beats; tick only
    time_point keys_looked_{};  // tick only, as the next
    std::vector<std::string> keys_told_;
    const std::shared_ptr<self_benchmark> benchmark_;
    const std::shared_ptr<path_watch> path_;
    std::vector<std::shared_ptr<uplink>> uplinks_;

    mutable std::mutex mutex_;  // the next group
    std::set<agent_link_ptr> links_;
    capability_ptr facts_;
    std::vector<fact> described_;                        // what the executors say of themselves
    std::set<std::string, std::less<>> described_keys_;  // these, and those of executors that have been replaced
    fact_revisions revisions_;                           // of facts_
    bool minor_untold_ = false;
    time_point minor_told_{};
    bool draining_ = false;
    bool preempting_ = false;
    bool stopped_ = false;
    rundown frames_;  // may come while this ends
    bool probing_ = false;          // all probes, since one was replaced
    bool probe_once_more_ = false;  // another one was replaced meanwhile
    std::function<void()> drained_;
    std::condition_variable changed_;  // a place became free

    boost::asio::steady_timer tick_;
    boost::asio::steady_timer facts_timer_;
    boost::asio::steady_timer drain_timer_;
};

}  // namespace sigrun
