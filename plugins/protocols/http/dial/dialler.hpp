// The dialling face: finds out whether an endpoint speaks HTTP, and opens links of the profile it asks for.
// [any]
#pragma once

#include "dial/client.hpp"
#include "live_options.hpp"
#include "loop.hpp"

#include <sigrun/protocol.h>

#include <atomic>
#include <memory>
#include <vector>

namespace sigrun::http {

struct dial_options {
    std::chrono::nanoseconds connect_timeout{};
    std::chrono::nanoseconds session_timeout{};
};

class dialler {
public:
    dialler(const sdk::host& host, const dial_options& options, std::vector<std::unique_ptr<loop>>& loops);
    /// Throws sdk::failure if the endpoint is malformed.
    sigrun_result detect(const sigrun_endpoint& where, std::uint64_t deadline_ns, sigrun_op op);
    sigrun_result open(const sigrun_endpoint& where, const sigrun_sink& frames, sigrun_op op, sigrun_link** link);
    /// For what begins after it.
    void set_options(dial_options next) { options_.set(next); }
    /// The plugin is going: nothing is dialled any more, and what is being dialled is given up. Returns when all is answered.
    void stop() { dials_->end(); }
    std::size_t dials() const noexcept { return dials_->open(); }

private:
    client_settings settings_for(const sigrun_endpoint& where) const;
    loop& pick() { return *loops_[next_loop_.fetch_add(1) % loops_.size()]; }

    sdk::host host_;
    live_options<dial_options> options_;
    std::vector<std::unique_ptr<loop>>& loops_;
    std::shared_ptr<sdk::dial_group> dials_;
    std::atomic<std::size_t> next_loop_{0};
};

}  // namespace sigrun::http
