// How an attempt ended, as result and JSON of its op. Pure.
#pragma once

#include "limit_plan.hpp"
#include "outputs.hpp"
#include "process_job.hpp"
#include "setting_plan.hpp"

#include <sigrun/shim.h>

#include <optional>
#include <string>
#include <vector>

namespace sigrun::process {

struct outcome {
    std::int32_t result = 0;  // SIGRUN_OK or SIGRUN_E_*
    std::string json;
};

/// Everything known when the shim is gone. Without `exited` the shim crashed.
struct evidence {
    std::optional<sigrun_shim_exited> exited;
    std::optional<sigrun_shim_measured> measured;
    std::vector<held_limit> limits;     // empty: none, or an earlier executor has told of them
    std::vector<held_setting> setting;  // the same
    bool cancelled = false;             // somebody asked for its end
    std::optional<int> shim_status;     // from waitpid; nothing: it was the child of an earlier agent
    std::size_t left_behind = 0;        // processes that a crashed shim left and that could not be killed
};

outcome conclude(const evidence& what, const std::vector<step>& steps);

/// The same with what the job has told. A file that is too large fails a job that would have succeeded: others count on it.
outcome with_outputs(outcome how, const job_outputs& told);
/// The same without these texts.
outcome without_secrets(outcome how, const std::vector<std::string>& secrets);

/// A failure before anything ran.
outcome failed_early(std::int32_t result, std::string_view failure_class, std::string_view code,
                     std::string_view message, std::optional<int> exit_code = {});

}  // namespace sigrun::process
