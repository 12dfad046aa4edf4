// Problem documents and what they are as a gRPC status. Pure.
#pragma once

#include "wire/status.hpp"

namespace sigrun::grpc {

/// A problem this plugin found by itself.
struct problem {
    std::string_view code{};  // invalid, not_found ...: the kernel's stable words
    std::string title{};
    std::string field{};
    std::string expected{};
    std::string found{};
};
std::string to_json(const problem& p);
status status_of(const problem& p);
/// From the problem JSON of a reply or of a failed call; text that is none becomes a new document around it.
status status_of(std::string_view problem_json, sigrun_result result);
/// At most 200 bytes of outside text, made printable.
std::string shown(std::string_view text);

}  // namespace sigrun::grpc
