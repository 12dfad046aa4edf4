// Jobs as JSON: the JOB document of the API, and the record in the journal.
#pragma once

#include "kernel/job/job.hpp"

namespace sigrun {

/// Appends the JOB document (kernel/serve/README.md). Takes the job's lock.
void append_job_json(std::string& out, job& j, bool replayed = false);
/// A short form for lists: everything but attempts, result and labels. Takes the job's lock.
void append_job_summary(std::string& out, job& j);
/// Why this runner and protocol: "round_robin took r1 (stride); valkyrie: first of 2 usable rungs, 41 us". Under the lock.
std::string choice_reason(const attempt& a);
/// Why that runner, in words. Under the lock.
std::string pick_reason(const attempt& a);
/// The part about the protocol it began with. Under the lock.
std::string rung_reason(const attempt& a);

/// The journal's record of a job. Under the lock.
std::string job_record(const job& j);
/// What a record holds, before its document is parsed again.
struct job_record_view {
    std::string document, sealed_secrets, key, reason;
    buffer_ref payload;
    job_state state = job_state::queued;
    std::unique_ptr<job_ties> ties;
    std::vector<attempt> attempts;
    std::uint32_t user_tries = 0, infrastructure_tries = 0;
    std::int64_t submitted_ns = 0, started_ns = 0, finished_ns = 0;
    id retry_of{};
    std::string trace;
    std::int64_t start_ns = 0;               // 0 = it was not delayed
    std::int64_t waits_since_ns = 0;         // 0 in records of earlier versions
    std::optional<artifact_list> artifacts;  // of the end
    std::unique_ptr<ending> end;
};
result<job_record_view> parse_job_record(std::string_view body);

}  // namespace sigrun
