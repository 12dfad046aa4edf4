// A link to a legacy HTTP runner: offers become POST /jobs, progress is polled, one rung, no frames of its
// own. Link operations are [any]; everything else on its loop. Owned by itself until closed.
#pragma once

#include "dial/client.hpp"
#include "link.hpp"
#include "rustci/options.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <string>

namespace sigrun::http::rustci {

class job;

class legacy_link : public sigrun_link, public ticking, public std::enable_shared_from_this<legacy_link> {
public:
    legacy_link(const sdk::host& host, loop& where, client_settings settings, options how, const sigrun_sink& frames);
    /// [any] Asks for the runner's health; any HTTP answer will do.
    void open(sigrun_op op);

    void tick(time_point now) override;
    void shut() override;

    sigrun_result execute(const sigrun_frame& offer) override;
    sigrun_result attach(const sigrun_attempt& attempt, std::uint64_t log_offset, sigrun_op op) override;
    sigrun_result cancel(const sigrun_attempt& attempt, std::uint64_t grace_ns) override;
    sigrun_result describe(sigrun_op op) override;
    sigrun_result ping(sigrun_op op) override;
    void close(sigrun_result why, sigrun_op op) override;

    // For its jobs, all [loop].
    loop& where() noexcept { return loop_; }
    const options& settings() const noexcept { return options_; }
    request_ptr request(std::string_view verb, std::string target) const;
    void send(request_ptr r) { client_->send(std::move(r)); }
    /// Hands a frame to the host; E_BUSY: try again later. After the end of the link nothing is given.
    sigrun_result give(const wire_frame& f);
    void forget(const std::string& uuid);
    /// A poll or health request got an answer, or none: three failures over ten seconds and the runner is
    /// lost.
    void contact(bool good, std::string_view why);
    /// The runner answered for a job that is not ours: three times, and it gets no more offers.
    void answered_for_another();
    void note_fills_started() noexcept { fills_started_ = true; }
    bool fills_started() const noexcept { return fills_started_; }
    void warn(std::string_view text) const;
    /// The path of a redirect's target if it stays at this runner, else "".
    std::string within_origin(std::string_view location) const;

private:
    void begin(const wire_frame& offer);
    void health(std::function<void(const client_result&)> then);
    void lost(std::string_view why);
    void leave();

    sdk::host host_;
    loop& loop_;
    std::shared_ptr<client> client_;
    options options_;
    sigrun_sink frames_;
    std::map<std::string, std::shared_ptr<job>> jobs_;  // by the runner's job id
    std::atomic<bool> usable_{false};
    std::atomic<bool> quarantined_{false};
    bool opened_ = false;
    bool silent_ = false;
    bool left_ = false;
    bool fills_started_ = false;
    int mismatches_ = 0;
    int failures_ = 0;
    time_point first_failure_;
    std::shared_ptr<legacy_link> self_;
};

}  // namespace sigrun::http::rustci
