// What is said of a job that waits: what hinders the runners that match, its place in line, how long it may take, and what
// would make it run.
#pragma once

#include "kernel/serve/methods.hpp"

namespace sigrun {

/// A job as it was when somebody asked; taken under its lock.
struct waiting_job {
    const job_spec* spec = nullptr;
    bool denied = false;         // by the retry budget
    nanoseconds backoff{0};      // still
    nanoseconds expires_in{-1};  // if it finds no place; negative = never
    std::size_t failed_on = 0;   // runners
    std::optional<place_in_line> line;
};

/// "2 of 5 runners match: 1 has no free place, 1 is closed (a is draining)"; empty if none matches.
std::string hindrance_text(controller& c, const waiting_job& j, const selector::explanation& e,
                           const std::string& not_online);
std::vector<std::string> line_texts(controller& c, const waiting_job& j);
json::object line_json(const waiting_job& j);

/// How long until a place is its own; JSON null where nothing can be said.
struct expected_wait {
    nanoseconds least{0}, most{0};
    bool known = false;
    std::string text;
};
expected_wait wait_of(const waiting_job& j, const selector::explanation& e, const class_standing& jobs);

/// The one change that helps most: {"text", "kind", ...}; empty if there is none to name.
json::object advice_for(controller& c, const waiting_job& j, const selector::explanation& e);

/// What hinders the runners that match, as numbers.
json::object hindrance_json(controller& c, const selector::explanation& e);

}  // namespace sigrun
