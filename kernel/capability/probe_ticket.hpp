// One run of one probe: its op, its two limits, and the facts that arrived.
//
// Kept alive by the lane while it runs and by the op's callback until the probe completes the op, so a late
// answer always finds a ticket that says no. After it was answered, a ticket uses neither host nor clock nor
// timers.
#pragma once

#include "kernel/capability/isolated_probe.hpp"
#include "kernel/capability/probe_lane.hpp"

#include <boost/asio/steady_timer.hpp>

#include <optional>

namespace sigrun {

class probe_ticket final : public isolated_run, public std::enable_shared_from_this<probe_ticket> {
public:
    probe_ticket(std::shared_ptr<probe_lane> lane, std::string sysroot, probe_lane::done callback);

    /// Limits the wait for a worker thread. Before execute is posted.
    void wait_for_a_thread();
    /// [work] Calls the probe, unless the ticket was answered already.
    void execute();
    /// Answers with what has arrived and `status` for each key pattern (ok: nothing is missing). Once; later
    /// calls do nothing and return false.
    bool answer(fact_status status, std::string_view detail);
    /// The probe is told to come to an end.
    void soft_limit();

    std::optional<std::uint64_t> begins() override;
    void sent(std::string_view json) override;
    void over(fact_status status, std::string_view detail) override;

private:
    static sigrun_result on_frame(void* ctx, const sigrun_frame* frame) noexcept;
    sigrun_result take(std::string_view json);
    void call(std::uint64_t deadline_ns);
    void add_failure(std::vector<fact>& facts, fact_status status, std::string_view detail) const;
    void arm(std::optional<boost::asio::steady_timer>& timer, std::chrono::milliseconds after,
             void (probe_ticket::*expired)());
    bool cancelled();
    void no_thread();
    void hard_limit();
    void completed(const result<buffer_ref>& outcome);

    const std::shared_ptr<probe_lane> lane_;
    const std::string sysroot_;
    sigrun_sink sink_{};
    std::mutex mutex_;
    probe_lane::done callback_;  // empty: answered
    std::vector<fact> facts_;
    sigrun_op op_ = 0;
    bool started_ = false, cancelled_ = false;
    std::optional<boost::asio::steady_timer> queue_, soft_, hard_;
};

}  // namespace sigrun
