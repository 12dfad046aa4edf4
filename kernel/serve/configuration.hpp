// The configuration of a running daemon: read again on SIGHUP, by a call or when a file changes; prepared by everybody it
// touches, then put to use or refused as a whole; kept as a numbered revision that can be shown, compared and loaded again.
//
// Changes are made one after another; whoever asks meanwhile waits for his turn. [any] unless marked.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/config/revision_store.hpp"
#include "kernel/plugin/plugin_host.hpp"
#include "kernel/runner/event_log.hpp"
#include "kernel/serve/settings_table.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace sigrun {

/// What a configuration works on and with. All of it outlives the configuration.
struct configuration_parts {
    plugin_host& plugins;
    metrics& numbers;
    event_log& events;
    const clock& time;
    /// Complains of what the option tables cannot judge; changes nothing.
    std::function<result<void>(const daemon_settings&, const settings&)> check;
    /// Puts the hot values to use. Cannot fail; on the control thread.
    std::function<void(const daemon_settings&)> apply;
};

class configuration {
public:
    configuration(config_sources sources, std::string state_dir, configuration_parts parts);
    /// Once, with what the daemon was started with: the first revision, unless it is the one that was used last.
    result<void> begin(const settings& config, const daemon_settings& bound);

    using answer = std::function<void(result<json::object>)>;
    struct request {
        std::string why;  // SIGHUP, api, file
        bool dry_run = false;
        std::uint64_t revision = 0;  // load the files of this one instead of those on the disk
    };
    /// `done` gets the outcome with every changed key and what becomes of it, or the problem that refused all of it.
    void change(request what, answer done);
    /// No change runs or begins once it returns; those that wait are refused.
    void stop();

    /// Daemon sections as they are in effect, without secrets.
    json::object in_effect() const;
    /// 0: the current one.
    result<json::object> show(std::uint64_t revision) const;
    json::object history() const;
    /// `to` 0: the current one.
    result<json::object> diff(std::uint64_t from, std::uint64_t to) const;
    /// The revision that a rollback without a number goes to; 0: there is none.
    std::uint64_t before_current() const;
    const config_sources& sources() const noexcept { return sources_; }

private:
    struct attempt;
    using attempt_ptr = std::shared_ptr<attempt>;
    void next(std::unique_lock<std::mutex>& lock);
    void begin_attempt(const attempt_ptr& a);
    result<void> read(attempt& a) const;
    result<void> keep(attempt& a, const reconfigure_report& report);
    void take_over(attempt& a, const reconfigure_report& report);
    void judge(attempt& a, const reconfigure_report& report) const;
    void ended(const attempt_ptr& a, result<reconfigure_report> outcome);
    json::object report_of(const attempt& a, std::string_view outcome) const;
    void count(const std::string& why, const char* outcome);
    config_revision make_revision(const attempt& a) const;

    const config_sources sources_;
    const configuration_parts parts_;

    mutable std::mutex mutex_;  // everything below
    revision_store kept_;
    std::uint64_t revision_ = 0;
    settings current_;
    std::string note_;         // of the current revision
    daemon_settings started_;  // for keys that only a start can change: what they are
    daemon_settings bound_;
    secret_names secrets_;
    std::vector<std::string> restart_needed_;
    json::object refused_;  // the last refusal since the last success; empty: none
    std::deque<attempt_ptr> waiting_;
    bool busy_ = false, stopped_ = false;
    std::condition_variable idle_;
};

}  // namespace sigrun
