// Outputs of jobs in the environment of those that need them: "{needs.build.outputs.version}" in a value of `env`. Pure.
//
// Only there: in a command that a shell reads, a value would be a part of the program.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/base/result.hpp"
#include "kernel/job/job_ties.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// Whether a document may have any; false is certain.
bool may_refer_to_outputs(std::string_view document) noexcept;

/// At submit. Each reference of `job` must be to one of `needs`, and each need is one job. Problems name `field`.env.NAME.
result<void> check_output_references(const json::object& job, const std::vector<std::string>& needs,
                                     const std::string& field);

/// Whether `text` is `pattern` with some text in the place of each of its references, of which it has at least one.
bool could_be_filled_in(std::string_view pattern, std::string_view text);

/// What `document` refers to of the `outputs` (an object of texts, or "") of its need: such an object, or "".
std::string wanted_outputs(const std::string& document, std::string_view need, const std::string& outputs);

/// The document with the values in their places. A need that succeeded must have the output; of another one what it does not have
/// is empty. Problems: that, a need that has not ended, a value of more than 64 KiB or with NUL, a document of more than 1 MiB.
result<std::string> with_outputs(const std::string& document, const job_ties& ties);

}  // namespace sigrun
