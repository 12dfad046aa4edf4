// Bodies of a legacy runner's replies, read strictly: what does not fit the contract is a fault, never a
// guess. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::http::rustci {

struct submit_reply {
    std::string job_id;  // lower case
    bool has_ended =
        false;  // its status is one of the last words; any other text may be there, the contract asks for none
};
/// Nothing unless the body of a 2xx submit reply has a job_id and a status.
std::optional<submit_reply> read_submit_reply(std::string_view body);

enum class word { queued, running, completed, failed, cancelled };

struct usage {
    std::int64_t wall_s = 0;
    std::uint64_t cpu_s = 0;
    std::uint64_t memory_peak_bytes = 0;
    std::uint64_t storage_bytes = 0;
    std::uint64_t network_bytes = 0;
};

struct status_reply {
    std::string job_id;  // lower case
    word status = word::queued;
    bool started = false;  // started_at is given
    std::string error;
    std::optional<std::int32_t> exit_code;  // set together with output and used
    std::string output;
    std::size_t replaced = 0;  // bytes of the body that were no UTF-8
    std::vector<std::string> artifacts;
    usage used;
};
/// Nothing and `why` if the body breaks the contract.
std::optional<status_reply> read_status_reply(std::string_view body, std::string& why);

}  // namespace sigrun::http::rustci
