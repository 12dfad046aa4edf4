// What a job tells those who come after it: KEY=VALUE lines that it writes to the file named by SIGRUN_OUTPUT.
//
//   version=1.2.3
//   notes<<END
//   any number of lines
//   END
//
// A key is 1 to 128 letters, digits, "_", "-" and ".", and does not begin with a digit; a value is UTF-8. The last of equal keys
// counts. What is not of this form is told, and the rest stands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun::process {

struct job_outputs {
    std::vector<std::pair<std::string, std::string>> values;  // in the order of their first mention
    std::vector<std::string> warnings;                        // at most k_most_warnings, each naming its line
    std::uint64_t too_large = 0;                              // size of the file; then nothing is kept of it
};

inline constexpr std::size_t k_most_output = 64 * 1024;
inline constexpr std::size_t k_most_warnings = 20;

/// Pure.
job_outputs parse_outputs(std::string_view text);
/// Where it is. Nobody makes it before the job does: most jobs have nothing to tell.
std::string output_path(const std::string& workspace);
/// Nothing where there is no such file. What the job has put there instead of a plain file is told.
job_outputs read_outputs(const std::string& workspace);

}  // namespace sigrun::process
