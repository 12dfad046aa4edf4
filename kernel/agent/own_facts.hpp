// What no probe can know of a runner: how it is called, how much it takes on, and which plugins it runs.
#pragma once

#include "kernel/capability/facts.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <string>
#include <vector>

namespace sigrun {

/// Facts runner.name, runner.slots, runner.kinds and runner.plugins (records of name and version, so that a requirement can say
/// any(p in runner.plugins, p.name == "sigrun.process" && p.version >= v"1.2")).
std::vector<fact> own_facts(const plugin_host& host, const std::string& name, std::uint32_t slots,
                            const std::vector<std::string>& kinds);
/// Of a runner that runs signed jobs alone: runner.signed_jobs_only, and runner.job_keys, the ids of the keys that it trusts.
std::vector<fact> signature_facts(const std::vector<std::string>& keys);

/// What is known once the probes were run again, all of them: `found`, but where one failed this time what was `known`
/// before. Keys that nobody answers any more are gone.
std::vector<fact> renewed_facts(const capability_document& known, const capability_document& found);

}  // namespace sigrun
