// Changes plugins in a running program, one at a time: replaces, adds and removes them, and keeps the generation before on
// probation. Read, gate, trial in a child, load beside the old generation, swap, and reap what nobody uses any more. See
// plugin-sdk.md section 5.
#pragma once

#include "kernel/plugin/plugin_set.hpp"
#include "kernel/plugin/probation.hpp"

#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace sigrun {

/// An instance that some thread may not have left, and nobody can tell: it stays until the process ends.
void never_let_go(const std::shared_ptr<instance>& which);

class reloader {
public:
    /// All must outlive it, and end() must have returned before it is destroyed.
    reloader(const plugin_host_options& options, runtime& rt, plugin_set& plugins)
        : options_(options), rt_(rt), plugins_(plugins), reaping_(rt.control), judging_(rt.control) {}

    void set_swapper(std::string_view kind, swapper how);
    void set_observer(plugin_observer observer) { observer_ = std::move(observer); }
    /// See plugin_host. errc::busy: too many changes wait already.
    void reload(std::string name, reload_options how, std::function<void(result<reload_report>)> done);
    void remove(std::string name, bool force, std::function<void(result<std::string>)> done);
    void pin(std::string name, bool pinned, std::function<void(result<void>)> done);
    /// [ctl] Something happened to the file at this path.
    void file_changed(const std::string& path);
    /// Brings the metrics of generations up to date. [any]
    void count_states();
    /// Null: the kind cannot be replaced. On the control thread.
    const swapper* swapper_of(std::string_view kind) const {
        auto found = swappers_.find(kind);
        return found == swappers_.end() ? nullptr : &found->second;
    }
    /// No reload runs or begins once it returns.
    void end();

    /// Runs on the control thread when it is its turn; with the reason if there will be none: stopping, or too many wait. In
    /// its turn it calls next() when it is over, and throws nothing.
    using step = std::function<void(const problem* refused)>;
    void in_turn(step what);
    void next();
    /// [ctl] Ends the probation of a plugin for good. False: it is not on probation.
    bool settle(const std::string& id);

private:
    struct errand {
        std::string name;
        reload_options how;
        std::function<void(result<reload_report>)> done;
        time_point began;
        plugin_set::examined file;
    };
    struct on_probation {
        plugin_set::replacement what;
        probation_judge judge;
        time_point until;
    };
    void enqueue(step what, bool refusable);
    void advance();
    void begin(const std::shared_ptr<errand>& what);
    result<void> examine(errand& what) const;            // [work]
    result<void> on_trial(errand& what) const;           // [work]
    void conclude(errand& what, result<void> examined);  // [ctl], as is all below
    result<reload_report> replace(const plugin_set::examined& file, const errand& what);
    result<reload_report> add(const plugin_set::examined& file, const errand& what);
    result<std::string> take_out(const std::string& name, bool force);
    const swapper* swapper_of(const instance& which) const;
    call_counts counts_of(const plugin_set::replacement& what, bool old) const;
    void let_go(const plugin_set::replacement& what);
    void swap_back(const std::string& id, const std::string& why);
    void judge();
    void reap();
    void reap_after(std::chrono::milliseconds wait);
    void tell(plugin_event what);

    const plugin_host_options& options_;
    runtime& rt_;
    plugin_set& plugins_;
    std::map<std::string, swapper, std::less<>> swappers_;
    plugin_observer observer_;
    boost::asio::steady_timer reaping_, judging_;
    std::deque<step> waiting_;
    std::set<std::string>
        files_waiting_;  // of the folder watch: one look at a file is enough, however often it changes
    bool busy_ = false;
    std::atomic<bool> ending_{false};                   // for the trial that is under way
    std::map<std::string, on_probation> on_probation_;  // by plugin id
    bool stopped_ = false;                              // on the control thread
};

}  // namespace sigrun
