// What a job's end or its refusal says of the runner, for the runner's quarantine. Under no lock of a job.
#include "kernel/job/engine.hpp"

namespace sigrun {

job_engine::conduct job_engine::conduct_of(const ending& how) noexcept {
    if (how.state == job_state::succeeded) return conduct::good;
    if (how.state != job_state::failed) return conduct::none;
    switch (how.why.cls) {
        case failure_class::user:
        case failure_class::user_timeout:
        case failure_class::resource: return conduct::good;
        case failure_class::infra_runner: return conduct::crash;
        default: return conduct::none;
    }
}

void job_engine::tell_conduct(const member_ptr& where, const job_spec& spec, conduct what, std::string_view why) {
    if (!where || what == conduct::none) return;
    if (what == conduct::good) return fleet_.note_good(where);
    fleet_.note_fault(where, runner_fault::crash, affinity_key_of(spec.told_document()), others_match(where, spec),
                      why);
}

// Only where the runner is not ready. That all its places are taken, or that it cannot run this job, is no fault of it.
void job_engine::tell_refusal(const member_ptr& where, const job_spec& spec, const failure& why) {
    if (!where || (why.code != to_string(errc::unavailable) && why.code != to_string(errc::io))) return;
    fleet_.note_fault(where, runner_fault::refusal, affinity_key_of(spec.told_document()), others_match(where, spec),
                      why.message);
}

bool job_engine::others_match(const member_ptr& where, const job_spec& spec) const {
    std::uint32_t slot = 0;
    {
        std::lock_guard lock(where->mutex);
        if (!where->indexed) return false;
        slot = where->slot.slot;
    }
    pick_request request;
    request.pred = spec.pred.get();
    request.protocols = fleet_.mask_of(spec.protocol);
    request.excluded = &slot;
    request.n_excluded = 1;
    return select_.could_run(request);
}

}  // namespace sigrun
