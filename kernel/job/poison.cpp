// Jobs that take their runners down, and jobs that are done again.
//
// A runner that is lost while it runs a job, or whose shim crashes, may be a bad runner. The same job on several of them is a
// bad job: it ends as `dead`, so that it does not go through the whole fleet, and waits there for somebody to look at it.
#include "kernel/base/json.hpp"
#include "kernel/job/engine.hpp"
#include "kernel/job/need_outputs.hpp"
#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>

namespace sigrun {
namespace {

// What a runner says of itself, such as a broken executor, is its own fault: see quarantine.
bool took_down(const attempt& a) {
    return a.started_ns && a.why.cls == failure_class::infra_runner &&
           (a.state == attempt_state::lost || a.why.code == "shim_crash");
}

}  // namespace

// The names of the runners, each once. Under the job's lock, as the next.
std::vector<std::string> job_engine::taken_down(const job& j) const {
    std::vector<id> runners;
    std::vector<std::string> names;
    for (const auto& a : j.attempts) {
        if (!took_down(a) || std::find(runners.begin(), runners.end(), a.runner) != runners.end()) continue;
        runners.push_back(a.runner);
        names.push_back(a.runner_name);
    }
    return names;
}

// The attempt that has just ended like this may have been one too many: then `how` becomes the end of the job.
bool job_engine::is_poison(const job& j, ending& how) {
    const auto most = tuned_.poison_after.load(std::memory_order_relaxed);
    if (!most || !took_down(j.attempts.back())) return false;
    const auto names = taken_down(j);
    if (names.size() < most) return false;
    std::string list;
    json::array listed;
    for (const auto& name : names) {
        list += (list.empty() ? "" : ", ") + name;
        listed.emplace_back(name);
    }
    how.state = job_state::dead;
    how.why = {failure_class::infra_runner, "poison",
               sdk::concat(names.size(), " runners were lost or crashed while they ran it (", list,
                           "), and it is not given to another one; at last: ", how.why.message)};
    dead_.add();
    SIGRUN_LOG(logs::jobs, warning, "job ", j.uid.text(), " is dead: ", how.why.message);
    events_.publish(event_type::job_dead, j.attempts.back().runner, j.uid,
                    sdk::concat("\"reason\":", json::serialize(json::value(how.why.message)),
                                ",\"runners\":", json::serialize(listed)));
    return true;
}

void job_engine::retry(const job_ptr& j, std::string_view submitter,
                       std::function<void(result<job_ptr>, bool)> accepted) {
    submit_request again;
    std::string document;
    again.document = j->spec->document;
    again.submitter = submitter;
    again.retry_of = j->uid;
    if (!j->spec->secrets_lost.empty())
        return accepted(problem{errc::conflict, "its secrets cannot be opened any more (" + j->spec->secrets_lost +
                                                    "); submit it anew with them"},
                        false);
    if (j->spec->signature)
        return accepted(problem{errc::conflict, "a job that is signed runs once", "id",
                                "a job without a signature, or the same submitted anew (`sigrun submit --sign`)",
                                "one signed by key " + j->spec->signature->key_id},
                        false);
    {
        job_lock lock(j->mutex);
        if (!is_terminal(j->state)) {
            const std::string state(to_string(j->state));
            lock.unlock();
            return accepted(problem{errc::conflict, "the job has not ended", "id",
                                    "a job that succeeded, failed, was cancelled, expired or is dead", state},
                            false);
        }
        again.payload = j->payload;
        // The new job has no needs.
        if (j->ties) {
            auto full = with_outputs(j->spec->document, *j->ties);
            if (!full) return accepted(full.error(), false);
            document = std::move(*full);
            again.document = document;
        }
    }
    submit(again, std::move(accepted));
}

}  // namespace sigrun
