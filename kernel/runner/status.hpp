// The status of a runner: what it is allowed to be, derived from four inputs. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sigrun {

enum class runner_status : std::uint8_t { offline, online, busy, draining, maintenance, error };
std::string_view to_string(runner_status s) noexcept;
std::optional<runner_status> parse_runner_status(std::string_view text) noexcept;

/// What an operator asked for; survives a restart.
enum class admin_state : std::uint8_t { none, draining, maintenance };
std::string_view to_string(admin_state s) noexcept;

/// Inputs in order of rank: an operator's word, then health, then the link, then the places.
struct status_inputs {
    admin_state admin = admin_state::none;
    bool faulty = false;  // unhealthy or quarantined, with a reason
    bool linked = false;  // some link is alive and reconciled
    bool full = false;    // no free place
};

struct status_change {
    runner_status from, to;
    std::string reason;
};

/// Holds the status; every change goes through apply. One writer at a time (the registry's lock).
class status_machine {
public:
    runner_status status() const noexcept { return status_; }
    const std::string& reason() const noexcept { return reason_; }
    /// Derives the status from the inputs; a change is returned for the event. `reason` says what caused it.
    std::optional<status_change> apply(const status_inputs& inputs, std::string_view reason);
    static runner_status derive(const status_inputs& inputs) noexcept;
    /// May a runner go from one to the other? Busy is only reached from Online: a runner that comes back full passes
    /// through Online first.
    static bool allowed(runner_status from, runner_status to) noexcept;

private:
    runner_status status_ = runner_status::offline;
    std::string reason_ = "not connected yet";
};

}  // namespace sigrun
