// Changes plugins in a running program, one at a time: replaces, adds and removes them, and keeps the generation before on
// probation. Read, gate, trial in a child, load beside the old generation, swap, and reap what nobody uses any more. See
// plugin-sdk.md section 5.
#pragma once

#include "kernel/plugin/plugin_set.hpp"
#include "kernel/plugin/probation.hpp"

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace sigrun {

class reloader {
public:
    /// All must outlive it, and end() must have returned before it is destroyed.
    reloader(const plugin_host_options& options, runtime& rt, plugin_set& plugins)
        : options_(options), rt_(rt), plugins_(plugins), reaping_(rt.control), judging_(rt.control) {}

    void set_swapper(std::string_view kind, swapper how);
    void set_observer(plugin_observer observer) { observer_ = std::move(observer); }
    /// See plugin_host.
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

    /// Runs on the control thread when it is its turn; with `true` if there will be none. Calls next() when it is over.
    using step = std::function<void(bool stopping)>;
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
    void advance();
    result<void> examine(errand& what) const;            // [work]
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
    void tell(plugin_event what);

    const plugin_host_options& options_;
    runtime& rt_;
    plugin_set& plugins_;
    std::map<std::string, swapper, std::less<>> swappers_;
    plugin_observer observer_;
    boost::asio::steady_timer reaping_, judging_;
    std::deque<step> waiting_;
    bool busy_ = false;
    std::map<std::string, on_probation> on_probation_;  // by plugin id
    bool stopped_ = false;                              // on the control thread
};

}  // namespace sigrun
