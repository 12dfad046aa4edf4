// Finds, checks, loads and instantiates plugins, and gives them the host's services.
//
// Threads: one control thread and one io thread (each an io_context), and a small worker pool, owned here.
// load_all and shutdown run on the caller's thread at start and end; everything else is [any].
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/config/settings.hpp"
#include "kernel/guard/crash_ledger.hpp"
#include "kernel/metrics/metrics.hpp"
#include "kernel/metrics/traffic.hpp"
#include "kernel/plugin/call_counts.hpp"
#include "kernel/plugin/ops.hpp"
#include "kernel/plugin/plugin_event.hpp"
#include "kernel/plugin/plugin_state.hpp"
#include "kernel/plugin/watch_times.hpp"

#include <sigrun/plugin.h>
#include <sigrun/protocol.h>

#include <boost/asio/io_context.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// Answers inbound calls: the method router implements it. [any]; see sigrun_svc_call for the contract.
class call_handler {
public:
    virtual ~call_handler() = default;
    /// `over`: where the protocol's traffic is counted; lives as long as the process. Null: it is not.
    virtual sigrun_result begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                                std::uint64_t* call_id, sigrun_error* error, protocol_traffic* over) noexcept = 0;
    virtual void resume(std::uint64_t call_id) noexcept = 0;
    virtual void end(std::uint64_t call_id, sigrun_fn done, void* ctx) noexcept = 0;
};

class instance;
/// Turns an accepted connection into a link: the link module or the agent implements it. [any]
class link_adopter {
public:
    virtual ~link_adopter() = default;
    /// `ops` belong to the protocol instance `owner`. *frames must stay valid until close completed.
    virtual sigrun_result adopt(std::shared_ptr<instance> owner, std::uint64_t session, std::string_view ticket,
                                sigrun_link* link, const sigrun_sink** frames, sigrun_error* error) noexcept = 0;
};

struct component_info {
    std::string id, kind, doc;
    std::vector<sigrun_opt> options;  // texts live as long as the plugin is mapped
    std::vector<std::string> instances;
};
/// An older load of a plugin that was replaced and is not gone yet, or that ended and stays mapped.
struct retiring_info {
    std::uint64_t generation = 0;
    std::string version, sha256;
    plugin_state state = plugin_state::draining;
    std::string held_by;             // "2 links or calls"
    double age_s = 0;                // in this state
    std::vector<std::string> holds;  // one by one: "instance plain: 2 links or calls", "3 operations", "thread http-io"
};
/// A file that is on its way in, or was refused.
struct newest_info {
    std::string version, sha256, reason;
    plugin_state state = plugin_state::staged;
    double age_s = 0;
};
struct plugin_info {
    std::string id, version, file, sha256, abi, doc;
    bool active = false;
    plugin_state state = plugin_state::rejected;
    double age_s = 0;  // in this state
    bool pinned = false;
    bool file_gone = false;
    std::string reason;  // why it was rejected, or why its last replacement was: field, expected, found
    std::uint64_t generation = 0;
    std::optional<newest_info> newest;  // what the file holds, if that is not what runs
    bool last_good = false;             // an older version runs, because the file may not; reason says why
    std::string signed_by;              // the trusted key, if a signature was asked for and is valid
    std::string quarantine;             // why some version of it is in quarantine
    std::size_t crashes = 0;            // that are remembered against it
    std::vector<component_info> components;
    std::vector<retiring_info> retiring;
};
struct reload_report {
    std::string id, old_version, new_version;  // without an old version the plugin is a new one
    std::uint64_t old_generation = 0, new_generation = 0;
    bool changed = false;          // false: the file holds the very bytes that run
    nanoseconds probation{0};      // how long the old one is kept warm
    bool probation_ended = false;  // nothing to replace, but the probation that was running is over
    nanoseconds prepared{0};       // from reading the file to a started standby
    nanoseconds swapped{0};        // while new work was switched over
};

class generation;
/// One created component. Destroyed (ABI destroy, then its generation unpinned) when the last holder lets go.
class instance {
public:
    instance(std::shared_ptr<generation> owner, std::string name, std::string plugin_id, std::string component,
             std::string kind, sigrun_instance* abi);
    ~instance();
    instance(const instance&) = delete;
    instance& operator=(const instance&) = delete;

    const std::string& name() const noexcept { return name_; }            // "http-main"; default: the component's id
    const std::string& plugin_id() const noexcept { return plugin_id_; }  // "sigrun.http"
    const std::string& component() const noexcept { return component_; }
    const std::string& kind() const noexcept { return kind_; }  // "sigrun.protocol/1"
    std::uint64_t generation_number() const noexcept;
    /// The code it runs.
    const std::shared_ptr<generation>& code() const noexcept { return owner_; }
    /// A call into it was begun, with this result; a later completion counts by itself.
    void note_call(sigrun_result begun) const noexcept;
    /// Into the code it runs, by all of that code's instances.
    call_counts calls() const noexcept;
    sigrun_instance* abi() const noexcept { return abi_; }
    /// What it runs with: the values of its creation, or those it has taken over since. [any]
    std::shared_ptr<const bound_section> values() const noexcept;
    void set_values(std::shared_ptr<const bound_section> values) noexcept;
    /// A call into it did not come back in time: until it does, nothing else is asked of the instance.
    std::atomic<bool> stuck{false};
    /// The table of the instance's own kind, or of another interface; null if it has none.
    template <class Table>
    const Table* table(std::string_view id) const noexcept {
        return static_cast<const Table*>(abi_->get_interface(abi_, sigrun_str{id.data(), id.size()}));
    }

private:
    std::shared_ptr<generation> owner_;
    std::string name_, plugin_id_, component_, kind_;
    sigrun_instance* abi_;
    mutable std::mutex values_mutex_;
    std::shared_ptr<const bound_section> values_;
};

/// How the users of a kind change over from one started instance to another. All run on the control thread.
struct swapper {
    /// Before anything is changed: a problem keeps the old one.
    std::function<result<void>(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now)> check;
    /// From here on new work goes to `now`, while `old` stays able to take it back: the same with the two exchanged.
    /// False: the old one can never be let go.
    std::function<bool(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now)> swap;
    /// Optional. It is settled that `now` stays: the work `old` still has is finished there or moved.
    std::function<void(const std::shared_ptr<instance>& old, const std::shared_ptr<instance>& now)> settle{};
    /// Optional. Takes an instance of a plugin that was not there before into use; without it such a file waits for the
    /// next start.
    std::function<result<void>(const std::shared_ptr<instance>& now)> add{};
    /// Optional. Lets go of an instance nobody takes the place of; without it the plugin can be removed only by a restart.
    /// The problem says who still needs it.
    std::function<result<void>(const std::shared_ptr<instance>& old)> remove{};
    /// Optional. What the users of the kind saw of it beside the operations that the host counts itself.
    std::function<call_counts(const std::shared_ptr<instance>& which)> counts{};
};

/// What a new configuration means for one section of plugins, [instance X] or [plugin X].
struct section_effect {
    enum kind_t : std::uint8_t { none, hot, new_instance, added, removed, restart } kind = none;
    std::string section;
    std::vector<std::string> keys;  // that are not what runs
    std::string reason;             // why not at once
};
struct reconfigure_report {
    std::vector<section_effect> sections;
    std::vector<std::string> secrets;  // "section.key" of values that must not be shown
};
struct reconfigure_request {
    settings config;
    bool dry_run = false;                         // asks, and lets everything as it is
    nanoseconds limit = std::chrono::seconds(5);  // for each call into an instance
    /// Everybody is ready: the last chance to refuse. Both on the control thread.
    std::function<result<void>(const reconfigure_report&)> before_commit{};
    std::function<void(const reconfigure_report&)> after_commit{};
};

struct plugin_host_options {
    std::string plugin_dir;          // contains protocols/ balancers/ probes/ executors/ stores/, or the files directly
    std::string state_dir;           // staged copies go to <state_dir>/stage
    std::string program;             // "sigrund", for sigrun_hello.host_name
    std::vector<std::string> kinds;  // load only plugins that have a component of these kinds; empty = all
    std::vector<std::string> only;   // instance names or component ids to create; empty = all
    nanoseconds drain_time = std::chrono::seconds(5);  // what all drains together may take at shutdown
    std::string trial_program;                         // runs the trials of replacements (trial.hpp); empty = no trials
    nanoseconds trial_time = std::chrono::seconds(5);
    nanoseconds probation{0};  // how long a replaced generation is kept warm; 0 = not at all
    watch_times watch{};
    bool remember = false;                              // crashes, quarantine and last good versions, in state_dir
    bool private_folder = false;                        // plugin_dir was made by this program's parent for it alone
    std::string trust_dir;                              // keys of signatures; empty = none
    std::string signature = "off";                      // off, warn or require; [plugin NAME] may say otherwise
    nanoseconds proof_time = std::chrono::seconds(60);  // after so long a version is kept as a good one
};
struct reload_options {
    bool probation = true;   // false: what is replaced goes at once
    bool automatic = false;  // nobody asked: a file that was refused before is left alone, without another word
};

class plugin_host {
public:
    plugin_host(plugin_host_options options, settings config, metrics& metrics);
    ~plugin_host();

    /// The handlers must outlive the host's plugins; set before load_all. Null: calls are refused as
    /// unavailable.
    void set_call_handler(call_handler* handler) noexcept;
    void set_link_adopter(link_adopter* adopter) noexcept;

    /// Loads every plugin of the folder and creates its instances: one per [instance X] section naming its
    /// component (component = plugin:component), else one with defaults per component (name = component id),
    /// unless [plugin NAME] says enabled = no. A bad plugin is rejected with its reason and the rest goes on.
    /// Error only for what makes the whole configuration wrong: an [instance] or [plugin] section that names
    /// an unknown plugin or component, or holds a wrong option.
    result<void> load_all();
    /// Starts all instances (ABI start). An instance that fails to start is an error.
    result<void> start_all();
    /// Drains and destroys every instance, unloads, stops the threads. Idempotent. Holders of instances must
    /// be gone.
    void shutdown();

    /// A kind without a swapper cannot be replaced while the program runs. Before reload is called.
    void set_swapper(std::string_view kind, swapper how);
    /// Replaces a plugin (by id or file name) by what its file holds now: read, check, load beside the old one, create and
    /// start, swap; the old one goes when nobody uses it. Whatever fails before the swap leaves the old one as it was.
    /// [any]; `done` runs on the control thread, where reloads come one after another.
    void reload(std::string name, std::function<void(result<reload_report>)> done) {
        reload(std::move(name), {}, std::move(done));
    }
    void reload(std::string name, reload_options how, std::function<void(result<reload_report>)> done);
    /// Takes a plugin out of service and its file out of the folder, under a name that begins with a dot; the answer is where
    /// it is now. `force`: also if the configuration names it. [any]
    void remove(std::string name, bool force, std::function<void(result<std::string>)> done);
    /// A pinned plugin is left alone by reloads and by the folder watch, also after a restart. [any]
    void pin(std::string name, bool pinned, std::function<void(result<void>)> done);
    /// From now on changes in the plugin folder are followed: see folder_watch.hpp. After start_all.
    result<void> watch();
    /// Before load_all.
    void set_observer(plugin_observer observer);
    /// Changes the configuration of all instances in two phases: everything is checked and prepared, then all of it is put to
    /// use; one problem, or one instance that does not answer in time, and nothing has changed. Instances that cannot take
    /// their new values while they run are replaced by new ones of the same generation if their kind has a swapper. What
    /// needs a restart is told, and used from then on. [any]; `done` runs on the control thread, between reloads.
    void reconfigure(reconfigure_request request, std::function<void(result<reconfigure_report>)> done);
    /// "section.key" of the values in `config` that must not be shown. At start, or on the control thread.
    std::vector<std::string> secret_options(const settings& config);
    /// No reload runs or begins once it returns; before what the swappers use is destroyed. shutdown does it, too.
    void end_reloads();

    const std::string& plugin_dir() const noexcept;
    /// Lifts the quarantine of a plugin, by id or file name; how many versions were held. [any]
    result<std::size_t> admit(std::string_view name);
    /// What crashed and is held; nothing unless it remembers. [any]
    std::optional<crash_ledger> crashes() const;

    std::vector<std::shared_ptr<instance>> instances(std::string_view kind) const;
    std::shared_ptr<instance> find(std::string_view kind,
                                   std::string_view name) const;  // by name or component id
    std::vector<plugin_info> plugins() const;
    std::vector<documented_section> documented() const;

    /// What goes over the protocols; for whoever hands them frames, and for whoever tells. [any]
    traffic_board& traffic() noexcept;
    op_table& ops() noexcept;
    boost::asio::io_context& control() noexcept;  // [ctl]
    boost::asio::io_context& io() noexcept;       // [io]: listeners, timers
    void post_work(std::function<void()> task);   // [work]
    /// Mints an op for a call into `target`, runs `start(op)`, and revokes the op if start returned an error,
    /// in which case `callback` gets that error (text from `start`'s sigrun_error is up to the caller).
    void call_async(const instance& target, const std::function<sigrun_result(sigrun_op)>& start, op_callback callback);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

}  // namespace sigrun
