// A Sigrun job as the submit request of the legacy contract. Pure.
#pragma once

#include "rustci/job_document.hpp"
#include "rustci/options.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun::http::rustci {

/// UUID version 5 made from job and attempt: the same attempt always has the same id, a retry another one.
std::string job_uuid(std::string_view job, std::uint32_t attempt);

struct attempt_names {
    std::string_view job;
    std::uint32_t number;
    std::string_view token;
};
std::string submit_body(const job_document& job, const attempt_names& attempt, std::string_view uuid,
                        const options& settings);

}  // namespace sigrun::http::rustci
