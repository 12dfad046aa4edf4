// Several jobs in one document: their names, what they need of each other, and the matrix that makes many of one. Pure.
//
//   {"defaults": {"requires": "os.name == \"debian\""},
//    "jobs": [{"name": "build", "command": ["make", "CC={matrix.cc}"], "matrix": {"cc": ["gcc", "clang"]}},
//             {"name": "test", "needs": ["build"], "command": ["make", "test"]}]}
//
// A job with a matrix becomes one job for each combination, "build (cc=gcc)" and so on; {matrix.NAME} in any text of it is that
// value. Who needs "build" needs all of them; one alone is needed by its whole name. What is not about other jobs is a job
// document as any other.
//
// {"signatures": {"test": {..}, "build (cc=gcc)": {..}}} beside "jobs" is what each job, by its whole name, has as its field
// `signature`: those of a matrix are signed as the jobs that it makes.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/job/job_ties.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

constexpr std::size_t k_most_submitted = 1024;          // jobs of one submission, with all combinations
constexpr std::size_t k_most_combinations = 256;        // of one matrix
constexpr std::size_t k_most_in_submission = 4u << 20;  // bytes of its document
constexpr std::size_t k_most_expanded = 16u << 20;      // bytes of all its job documents together

struct submitted_job {
    std::string name;                // no other of the submission has it
    std::string document;            // a job document
    std::vector<std::size_t> needs;  // by place in the submission, each once
    need_condition when = need_condition::success;
    std::string field;  // what problems with it name: "jobs.build"
};

/// In the order of the document, combinations in that of their values, the first name slowest. There is no way from a job to
/// itself. A problem names the field: unknown and repeated names, circles, a matrix that is too large.
result<std::vector<submitted_job>> read_submission(std::string_view document);

}  // namespace sigrun
