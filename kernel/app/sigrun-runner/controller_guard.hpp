// Who may dial this runner as its controller: whoever shows its token, or a certificate that it believes. Where neither is
// configured, everybody may, as ever.
//
// [any]
#pragma once

#include "kernel/auth/gate.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <string>
#include <vector>

namespace sigrun {

struct controller_rules {
    std::string token;                     // empty = none
    bool certificates = false;             // are asked for
    std::vector<std::string> controllers;  // names in them; empty = all

    bool open() const noexcept { return token.empty() && !certificates; }
};

/// Stands before the handler of calls. The gate knows the certificates of connections.
class controller_guard final : public call_handler {
public:
    controller_guard(call_handler& behind, const gate& who, controller_rules rules)
        : behind_(behind), who_(who), rules_(std::move(rules)) {}

    sigrun_result begin(std::uint64_t session, const sigrun_call& call, const sigrun_sink& replies,
                        std::uint64_t* call_id, sigrun_error* error, protocol_traffic* over) noexcept override;
    void resume(std::uint64_t call_id) noexcept override { behind_.resume(call_id); }
    void end(std::uint64_t call_id, sigrun_fn done, void* ctx) noexcept override { behind_.end(call_id, done, ctx); }

    /// Whether a session may be opened by who comes with this.
    result<void> check(const std::string& certificate, std::string_view auth) const;

private:
    call_handler& behind_;
    const gate& who_;
    const controller_rules rules_;
};

}  // namespace sigrun
