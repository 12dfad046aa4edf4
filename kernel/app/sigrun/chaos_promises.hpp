// The jobs of `sigrun chaos`: what each runs and prints, and what of the promises its record and its output break. Pure.
#pragma once

#include "kernel/base/json.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli {

struct chaos_job {
    int lines = 100;       // it prints
    double seconds = 0.5;  // it takes
    std::string requires_text;

    /// Retries of the infrastructure do not run out, so that every job has an end of its own.
    json::object document() const;
    /// What its attempt `number` prints.
    std::string output(std::uint64_t number) const;
    /// In words; empty = nothing is broken. `record`: a JOB, `log`: all of its output.
    std::vector<std::string> broken(const json::object& record, std::string_view log) const;
};

bool has_ended(const json::object& record);
/// Whether the end of a job, once told, is another one now.
bool same_end(const json::object& told, const json::object& now);

}  // namespace sigrun::cli
