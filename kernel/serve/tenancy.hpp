// Callers whose token is of one tenant: they submit for it alone, and know of no other one's jobs.
#pragma once

#include "kernel/job/engine.hpp"
#include "kernel/serve/router.hpp"

namespace sigrun {

/// That the caller is bound to; empty = none, he may act for all.
std::string_view tenant_of(const call_input& in) noexcept;
/// What he must not know of is, to him, not there.
bool may_know(const call_input& in, const job& j) noexcept;
/// By its id.
result<job_ptr> find_job(const job_engine& jobs, const call_input& in, std::string_view id);
/// The job document with the caller's tenant, where it names none; another one is forbidden. As it was for callers who are not bound.
result<std::string> for_tenant(const call_input& in);
/// The same of a submission of several jobs.
result<std::string> several_for_tenant(const call_input& in);

}  // namespace sigrun
