#include "kernel/app/sigrun/job_end.hpp"

namespace sigrun::cli {
namespace {

bool is_terminal(std::string_view state) {
    return state == "succeeded" || state == "failed" || state == "cancelled" || state == "expired" || state == "dead";
}

}  // namespace

json::object final_job(context& ctx, const std::string& id) {
    using namespace std::chrono_literals;
    const auto give_up = std::chrono::steady_clock::now() + ctx.daemon_timeout();
    for (;;) {
        json::object job = ctx.insist("jobs.get", {{"id", id}});
        if (is_terminal(text_or(job, "state"))) return job;
        const auto now = std::chrono::steady_clock::now();
        if (now > give_up)
            throw failure(make_problem(errc::timeout, "the output of job " + id +
                                                          " has ended but its state is still \"" +
                                                          std::string(text_or(job, "state")) + "\""));
        ctx.waits().wait_until(now + 50ms);
    }
}

void tell_end(context& ctx, const json::object& job) {
    const auto state = text_or(job, "state");
    if (state == "succeeded") return;
    std::string line = "job " + std::string(text_or(job, "id")) + " " + std::string(state);
    const json::object* why = object_or_null(job, "failure");
    const int exit = number_or<int>(job, "exit_code", 0);
    if (why) {
        const auto message = text_or(*why, "message");
        line += " (" + std::string(text_or(*why, "class")) + ")";
        if (!message.empty()) line += ": " + std::string(message);
    } else if (exit) {
        line += ": exit code " + std::to_string(exit);
    } else if (auto reason = text_or(job, "reason"); !reason.empty()) {
        line += ": " + std::string(reason);
    }
    ctx.note(line);
}

}  // namespace sigrun::cli
