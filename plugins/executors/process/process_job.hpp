// A job document as a process executor reads it. Pure but for the working directory, which it makes.
#pragma once

#include <sigrun/cpp/job_limits.hpp>
#include <sigrun/cpp/job_setting.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::process {

struct step {
    std::string name;  // may be empty
    std::vector<std::string> argv;
    bool may_fail = false;  // the next one is begun all the same, and the job does not fail by it
};

struct process_job {
    std::vector<step> steps;  // a plain command is one step without a name
    std::map<std::string, std::string> environment;
    std::map<std::string, std::string> secrets;  // of the environment, too
    std::string workdir;                         // as written
    sdk::job_limits limits;
    sdk::job_setting setting;
};

/// What is wrong with the user's document; `code` is the failure code of the attempt.
struct job_error {
    std::string code, message;
    std::optional<int> exit_code{};  // that a shell would have had
};

/// Reads `command` or `steps`, `env`, `secrets`, `workdir`, `limits` and the fields of sdk::job_setting. Throws job_error.
process_job read_job(std::string_view document);

/// The variables every job has before its own ones.
struct base_environment {
    std::string path, home, lang;
    std::map<std::string, std::string> more{};  // of this job
    /// PATH, HOME and LANG of this process where it has them; `path` overrides PATH unless it is empty.
    static base_environment of_this_process(const std::string& path);
};

struct attempt_names {
    std::string job, token;
    unsigned number = 0;
};

/// NAME=VALUE lines: base, TMPDIR = the workspace, the job's own, then SIGRUN_JOB, SIGRUN_ATTEMPT, SIGRUN_FENCING_TOKEN,
/// SIGRUN_OUTPUT.
std::vector<std::string> make_environment(const base_environment& base, const process_job& job,
                                          const attempt_names& names, const std::string& workspace);

/// The directory to run in: absolute as it is; relative ones are below the workspace and are made. Throws job_error
/// for a path that leaves the workspace or cannot be made.
std::string make_workdir(const std::string& workdir, const std::string& workspace);

}  // namespace sigrun::process
