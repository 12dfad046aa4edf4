// A probe that runs in a process of its own: started when it is first needed, kept while it is needed, ended after a pause, and
// killed when it does not keep its limits. At most one process at a time, whatever happens to it.
#pragma once

#include "kernel/capability/facts.hpp"
#include "kernel/capability/probe_health.hpp"
#include "kernel/capability/probe_session.hpp"

#include <boost/asio/steady_timer.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace sigrun {

/// Who waits for a run.
class isolated_run {
public:
    virtual ~isolated_run() = default;
    /// The probe gets its task now: its limits count from here. Its deadline; nothing: nobody waits for it any more.
    virtual std::optional<std::uint64_t> begins() = 0;
    virtual void sent(std::string_view json) = 0;
    /// Always and last. ok: the probe has said everything.
    virtual void over(fact_status status, std::string_view detail) = 0;
};

class isolated_probe final : public probe_session_owner, public std::enable_shared_from_this<isolated_probe> {
public:
    isolated_probe(plugin_host& host, const clock& clk, std::shared_ptr<instance> target, std::string program,
                   std::shared_ptr<probe_activity> activity);
    ~isolated_probe() override;

    /// [work] One at a time.
    void run(std::string sysroot, std::shared_ptr<isolated_run> whose);
    /// [any] The soft and the hard limit of the run.
    void cancel();
    void give_up();
    /// [any] Crashes so far are forgiven.
    void forgive();
    /// [any] Ends it; nothing is started any more.
    void stop();

    void heard(probe_session& from, const probe_frame& frame) override;
    void ended(probe_session& which, std::optional<int> status, const std::string& why) override;

private:
    using guard = std::unique_lock<std::mutex>;
    void go_on();
    bool may_start(std::string& why, fact_status& status);
    result<void> start();
    std::string first_words(const bound_section* values) const;
    void ask(guard& lock);
    void finish(guard& lock, fact_status status, const std::string& detail);
    void start_took_too_long();
    void wait_for_more();
    void retire();
    void start_ahead();
    void log(std::string_view payload);
    bool is_worn();

    plugin_host& host_;
    const clock& clock_;
    const std::shared_ptr<instance> target_;
    const std::string program_;
    const std::shared_ptr<probe_activity> activity_;

    std::mutex mutex_;
    probe_health health_;
    std::shared_ptr<probe_session> session_;
    bool ready_ = false, ending_ = false, slow_ = false;
    std::shared_ptr<const bound_section> values_;  // of the session
    unsigned runs_ = 0, most_runs_ = 0;            // in the session
    std::size_t settled_bytes_ = 0;                // of its process
    bool worn_ = false;                            // it shall have no more runs
    std::unique_ptr<probe_process> corpse_;
    std::optional<boost::asio::steady_timer> timer_;  // to be ready; to be asked again
    bool stopped_ = false;

    std::shared_ptr<isolated_run> whose_;  // the run, if there is one
    std::string sysroot_;
    std::uint64_t number_ = 0;
    bool asked_ = false, cancelled_ = false, gave_up_ = false;
    std::size_t bytes_ = 0;
    unsigned lines_ = 0;
};

}  // namespace sigrun
