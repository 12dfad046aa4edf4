#include "kernel/runner/status.hpp"

#include <array>

namespace sigrun {
namespace {
constexpr std::array<std::string_view, 6> k_status_names{"offline",  "online",      "busy",
                                                         "draining", "maintenance", "error"};
}

std::string_view to_string(runner_status s) noexcept { return k_status_names[static_cast<std::size_t>(s)]; }

std::optional<runner_status> parse_runner_status(std::string_view text) noexcept {
    for (std::size_t i = 0; i < k_status_names.size(); ++i)
        if (k_status_names[i] == text) return static_cast<runner_status>(i);
    return std::nullopt;
}

std::string_view to_string(admin_state s) noexcept {
    switch (s) {
        case admin_state::draining: return "draining";
        case admin_state::maintenance: return "maintenance";
        case admin_state::none: break;
    }
    return "none";
}

runner_status status_machine::derive(const status_inputs& in) noexcept {
    if (in.admin == admin_state::maintenance) return runner_status::maintenance;
    if (in.admin == admin_state::draining) return runner_status::draining;
    if (in.faulty) return runner_status::error;
    if (!in.linked) return runner_status::offline;
    return in.full ? runner_status::busy : runner_status::online;
}

bool status_machine::allowed(runner_status from, runner_status to) noexcept {
    if (from == to) return false;
    return to != runner_status::busy || from == runner_status::online;
}

std::optional<status_change> status_machine::apply(const status_inputs& inputs, std::string_view reason) {
    runner_status to = derive(inputs);
    if (to == status_) {
        if (!reason.empty()) reason_ = reason;
        return std::nullopt;
    }
    if (!allowed(status_, to)) to = runner_status::online;
    status_change change{status_, to, std::string(reason)};
    status_ = to;
    reason_ = reason;
    return change;
}

}  // namespace sigrun
