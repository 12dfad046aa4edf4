// The plugins and instances of one plugin_host: which files were loaded or rejected and why, and what was
// created from them. Changed by one thread at a time (at start, then the control thread); read under a mutex.
#pragma once

#include "kernel/plugin/catalogue.hpp"
#include "kernel/plugin/first_trials.hpp"
#include "kernel/plugin/generation.hpp"
#include "kernel/plugin/pins.hpp"
#include "kernel/plugin/plugin_guard.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// The keys of an [instance NAME] section that are the kernel's own, not options of the component.
inline constexpr std::string_view k_kernel_keys[] = {"component"};

class plugin_set {
public:
    plugin_set(const plugin_host_options& options, const settings& config, std::shared_ptr<runtime> rt)
        : options_(options), config_(config), first_config_(config), rt_(std::move(rt)) {}

    result<void> load();
    std::vector<std::shared_ptr<instance>> all() const;  // in order of creation
    /// By name, else by component id, else by plugin id.
    std::shared_ptr<instance> known_as(std::string_view name) const;
    std::vector<documented_section> documented() const;
    /// Gives up every instance, also of replaced generations; the caller destroys them.
    std::vector<std::shared_ptr<instance>> release_instances();

    // -- plugin_infos.cpp
    std::vector<plugin_info> infos() const;  // asks the folder of pins, too
    /// How many generations are in each state, for the metrics.
    std::map<plugin_state, std::size_t> states() const;
    /// A file on its way in, shown with its plugin. [any]
    void note_newest(const std::string& file, std::string_view version, std::string_view sha256, plugin_state stage);

    // -- plugin_examination.cpp
    /// What a plugin's file holds now, read once and checked.
    struct examined {
        std::string id;    // of the plugin
        std::string file;  // its path
        bool changed = false;
        bool added = false;    // nothing of the plugin runs
        bool current = false;  // it holds the very bytes that run
        std::string bytes, sha256;
        std::string signature, signed_by;
        plugin_identity identity;
        reload_report report;
    };
    /// [any] Everything that can be found out without running its code here. `replaceable` says which kinds can be swapped.
    /// `out` is filled as far as it went, also when the file is refused.
    result<void> examine(std::string_view name, bool automatic,
                         const std::function<bool(std::string_view kind)>& replaceable, examined& out) const;
    /// Keeps why a file was refused, to be shown with the plugin that goes on or on its own, and not to try it again unasked.
    /// False: the same was said before.
    bool note_refusal(const examined& file, const problem& why);
    /// From here until it has served well, one crash is enough to hold it. Writes a file: [work]
    void begin_probation(const examined& file) { guard_->on_probation(file.sha256); }
    /// It holds what runs: whatever was said of the file before is over.
    void note_current(const examined& file);
    /// The file at this path is not there any more. What was loaded from it; empty: nothing, or it was known.
    std::optional<plugin_info> note_gone(const std::string& path);

    // -- plugin_replacement.cpp
    struct replacement {
        std::size_t record = 0;
        std::shared_ptr<class generation> code, old_code;
        std::vector<std::pair<std::shared_ptr<instance>, std::shared_ptr<instance>>> instances;  // old, started new
        plugin_info info;
        reload_report report;
    };
    /// [ctl] The standby; nothing of the running one is touched.
    result<replacement> prepare(const examined& file);
    /// The new instances are what all() returns from here on; the old ones are kept warm, or begin to retire.
    void commit(replacement& what, bool warm);
    /// The warm generation before this one begins to retire.
    void settle(const replacement& what);
    /// The warm generation has the work again, and this one begins to retire; its bytes count as refused.
    void swap_back(const replacement& what, const std::string& why);

    // -- plugin_addition.cpp
    struct addition {
        std::size_t record = 0;
        std::shared_ptr<class generation> code;
        std::vector<std::shared_ptr<instance>> instances;  // started
        plugin_info info;
        reload_report report;
    };
    /// [ctl] As prepare, for a file of which nothing runs.
    result<addition> prepare_addition(const examined& file);
    void commit(addition& what);
    /// [ctl] The plugin that could be taken out of service, and its instances. The problem says what needs it.
    struct departure {
        std::size_t record = 0;
        std::string id, version, file;
        std::uint64_t generation = 0;
        std::vector<std::shared_ptr<instance>> instances;
    };
    result<departure> removable(std::string_view name, bool force) const;
    void take_out(const departure& what);

    /// Pins the running version, or lets go of it. Writes files: [work]
    result<void> pin(std::string_view name, bool pinned);

    // -- plugin_reaping.cpp
    struct ended {
        std::string id, version;
        std::uint64_t generation;
        std::string resident;  // why its code stays mapped; empty = it does not
    };
    /// Destroys retiring instances that nobody holds any more, and lets go of their code. True while some are left.
    bool reap(std::vector<ended>& done);
    /// Lets go of the code, newest first.
    void unload();

    // -- plugin_goodness.cpp
    /// Keeps what has run for at least this long as a good version. `even_if_young`: where nothing is kept so far. [work]
    void keep_good(nanoseconds least, bool even_if_young);
    /// See plugin_host::admit.
    result<std::size_t> admit_again(std::string_view name);
    std::optional<crash_ledger> crashes() const { return guard_ ? guard_->ledger() : std::nullopt; }
    // plugin_reconfigure.cpp, all [ctl]
    /// An instance that a configuration asks for, with its checked values.
    struct wanted_instance {
        std::string name;
        std::size_t record = 0;
        std::shared_ptr<class generation> code;
        const component_record* component = nullptr;  // of the code
        std::shared_ptr<const bound_section> values;
        bool configured = false;  // has a section of its own
        std::string section() const { return "instance " + name; }
    };
    struct wanted_set {
        std::vector<wanted_instance> instances;
        std::vector<std::string> unused;   // sections whose plugin does not run
        std::vector<std::string> secrets;  // "section.key"; of the unused sections nobody knows, so all of them
    };
    /// Checks every section about plugins as load does, and tells which instances there would be after a restart.
    result<wanted_set> wanted_instances(const settings& config);
    /// [plugin X] sections in which something is not as it was at start.
    std::vector<std::string> changed_switches(const settings& config) const;
    static result<std::shared_ptr<instance>> create_and_start(const wanted_instance& what);
    /// A new instance of a plugin that runs is what all() returns, too; or is not any more.
    void include(const std::shared_ptr<instance>& fresh);
    void exclude(const std::shared_ptr<instance>& fresh);
    /// Old without now: goes.
    struct exchange {
        std::shared_ptr<instance> old, now;
    };
    /// From here on all() returns the new instances, and `config` is what replacements are created with.
    void commit(const settings& config, const std::vector<exchange>& exchanges);
    /// Work goes to the new instances only: the old ones begin to retire.
    void retire(const std::vector<exchange>& exchanges);

private:
    enum class state { active, rejected, disabled, not_needed, removed };
    struct record {
        std::string short_name;
        plugin_info info;
        state now = state::active;
        std::shared_ptr<generation> code;
        time_point since = std::chrono::steady_clock::now();
        time_point newest_since{};
        std::uint64_t kept_generation = 0;  // as a good version
    };
    struct retiring {
        std::size_t record;
        plugin_info info;  // as it was
        std::shared_ptr<class generation> code;
        std::vector<std::shared_ptr<instance>> instances;
        plugin_state state;
        time_point since;
        bool shares_code = false;  // newer instances run on it: their operations are none of these instances' business
    };
    struct choice {  // one component to create an instance of
        record* plugin;
        const component_record* component;
    };
    struct switches {  // of [plugin NAME]
        std::string name, origin;
        bool enabled, keep_mapped;
    };

    std::vector<plugin_info> shown() const;
    result<std::vector<switches>> read_switches(const settings& config) const;
    result<void> load_file(const plugin_file& file);
    void try_new_ones(const std::vector<plugin_file>& files);
    result<void> admit(record& to, const plugin_file& file);
    result<void> admit_file(record& to, const plugin_file& file, std::string& sha256);
    result<void> admit_last_good(record& to, const plugin_file& file, const std::string& sha256, const problem& why);
    result<void> take(record& to, const plugin_guard::plugin_bytes& file, const plugin_identity& identity);
    bool switched_off(record& which, const std::string& name) const;
    void describe(plugin_info& info, const generation& code) const;
    void reject(record& which, const std::string& reason);
    const switches* switches_of(const std::string& name) const;
    bool wanted(const std::string& instance_name, const std::string& component) const;
    bool needed(const plugin_descriptor& descriptor) const;
    /// The copy that a pinned plugin keeps, if these bytes are not it; else empty.
    std::string pinned_instead(const std::string& id, const std::string& sha256) const;
    result<void> configured_instances();
    void default_instances();
    result<std::optional<choice>> choose(const config_section& section, const std::string& name);
    void create(const choice& what, const std::string& name, std::shared_ptr<const bound_section> values);
    record* find_plugin(std::string_view name) const;
    record* find_file(std::string_view name) const;
    std::size_t index_of(const record& which) const;
    result<void> unknown_plugin(const std::string& field, const std::string& name, const std::string& origin) const;
    struct located {
        bool runs = false;
        std::string running_sha256, refused_sha256;
    };
    result<located> locate(std::string_view name, bool automatic, examined& out) const;
    result<void> locate_new(std::string_view name, examined& out) const;
    result<void> could_replace(const examined& file, bool runs,
                               const std::function<bool(std::string_view kind)>& replaceable) const;
    bool switched_off(std::string_view file, const std::string& id) const;
    result<void> all_replaceable(std::string_view id, const std::function<bool(std::string_view)>& replaceable) const;
    result<void> room_for_another(const record& running) const;
    result<std::shared_ptr<generation>> open(std::string_view bytes, const std::string& sha256,
                                             const std::string& signature, const plugin_identity& identity,
                                             const std::string& short_name);
    retiring* warm_of(std::size_t which);

    const plugin_host_options& options_;
    settings config_;
    settings first_config_;  // of the start
    std::shared_ptr<runtime> rt_;
    std::optional<stage> stage_;
    std::unique_ptr<plugin_guard> guard_;
    std::optional<first_trials> trials_;
    pins pins_{options_.state_dir};
    std::vector<switches> switches_;
    std::vector<std::string> configured_;  // "plugin id:component" with a section of its own

    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<record>> records_;  // never fewer: a removed plugin keeps its place
    std::vector<std::shared_ptr<instance>> instances_;
    std::vector<retiring> retiring_;
};

/// The tag of operations that this instance will complete.
std::uint64_t op_owner(const instance& which) noexcept;

/// Calls the instance's `start`, if it has one.
result<void> start_instance(instance& each);

}  // namespace sigrun
