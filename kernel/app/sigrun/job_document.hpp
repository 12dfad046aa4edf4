// The job document that `run`, `submit` and `bench` send, from their options. Pure.
#pragma once

#include "kernel/app/sigrun/setting_options.hpp"
#include "kernel/base/json.hpp"

#include <map>
#include <string>
#include <vector>

namespace sigrun::cli {

struct job_options {
    std::vector<std::string> command;
    std::string kind = "process";
    std::string requires_text, workdir, payload, queue, tenant, affinity, zone, protocol, preferred_protocol,
        max_latency, balancer, priority, durability;
    std::string run_timeout, queue_timeout, start_timeout, silent_timeout, total_timeout;
    std::string delay, start_at;
    std::vector<std::string> secrets;                       // "NAME" (of this program's environment) or "NAME=@FILE"
    std::vector<std::string> artifacts;                     // paths, perhaps with wildcards
    std::string group, group_policy;                        // "NAME" or "NAME:MAX"
    std::vector<std::string> environment, labels, prefers;  // "K=V"; prefers "WEIGHT:EXPRESSION"
    std::map<std::string, std::string> limits;              // by the names in the document
    setting_options setting;
    int user_retries = -1, infrastructure_retries = -1;
    double memory_factor = 0;  // 0: not given
    bool once = false;         // must not run twice: idempotent = false
    bool hedge = false, explain = false;
};

/// Secrets by name, of "NAME" (a variable of this program's environment) or "NAME=@FILE". The problem names --secret.
result<json::object> secret_values(const std::vector<std::string>& named);
/// Only what was given is in the document, so that the daemon's defaults hold for the rest. A payload "@FILE"
/// is the file's content. The problem names the option.
result<json::object> job_document(const job_options& options);
/// "KEY=VALUE" pairs as an object; `option` is what the problem names.
result<json::object> pairs(const std::vector<std::string>& texts, std::string_view option);
/// Text as it is, or {"base64"} if it is not UTF-8.
json::value text_or_base64(std::string_view bytes);
/// The bytes of a text or {"base64"} value; empty for anything else.
std::string bytes_of(const json::value& value);

}  // namespace sigrun::cli
