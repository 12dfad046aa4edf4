// What Sigrun itself asks of the runner of a job, beside what the job's `requires` says: that it runs this kind of job, and runs
// it with the signature that the job has, or without one. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sigrun {

/// A requirement. `signed_by`: id of the key of the job's signature; "" = it has none. A courtesy to the job: whether it runs it,
/// a runner decides by itself.
std::string runner_terms(std::string_view kind, std::string_view signed_by);

/// A requirement in canonical form without these terms at its end; what is asked of a signed job is left, as it tells which
/// runners lack what. "" = there is nothing else.
std::string without_runner_terms(std::string canonical, std::string_view kind);

/// Whether a term of a requirement is the one about signatures.
bool is_about_signature(std::string_view term) noexcept;

}  // namespace sigrun
