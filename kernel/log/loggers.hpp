// The kernel's sources of log lines, by the names that people see.
//
//   SIGRUN_LOG(logs::fleet, info, "runner ", name, " connected over ", protocol);
#pragma once

#include "kernel/log/log.hpp"

namespace sigrun::logs {

inline const logger agent = logger::get("agent");
inline const logger capability = logger::get("capability");
inline const logger config = logger::get("config");
inline const logger daemon = logger::get("daemon");
inline const logger fleet = logger::get("fleet");
inline const logger guard = logger::get("guard");
inline const logger jobs = logger::get("jobs");
inline const logger listener = logger::get("listener");
inline const logger net = logger::get("net");
inline const logger plugin = logger::get("plugin");
inline const logger runner = logger::get("runner");
inline const logger serve = logger::get("serve");
inline const logger store = logger::get("store");
inline const logger work = logger::get("work");

}  // namespace sigrun::logs
