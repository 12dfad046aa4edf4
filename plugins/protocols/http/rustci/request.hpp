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
/// A lower bound of submit_body's size, found without building it. The environment goes along with every step, twice,
/// and each byte of the payload as a number: a job of one megabyte can become a request of gigabytes.
std::size_t least_size(const job_document& job, const options& settings);
std::string submit_body(const job_document& job, const attempt_names& attempt, std::string_view uuid,
                        const options& settings);

}  // namespace sigrun::http::rustci
