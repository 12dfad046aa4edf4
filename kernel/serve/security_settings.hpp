// The sections [auth] and [tls] of a daemon: what they mean, and what they must not say together.
#pragma once

#include "kernel/auth/gate.hpp"
#include "kernel/serve/settings_table.hpp"

#include <span>
#include <string>

namespace sigrun {

std::span<const sigrun_opt> auth_option_table() noexcept;

/// Where tokens are kept.
std::string token_file(const daemon_settings& bound, const std::string& state_dir);
result<gate_options> read_gate_options(const daemon_settings& bound);
/// What the tables cannot judge: TLS that is required but has no certificate, roles that do not exist, files that cannot be
/// used. Reads the files and changes nothing.
result<void> check_security(const daemon_settings& bound, const settings& from);
/// Whether strangers may reach the daemon: they must be asked who they are, over encrypted connections.
bool is_guarded(const daemon_settings& bound);

}  // namespace sigrun
