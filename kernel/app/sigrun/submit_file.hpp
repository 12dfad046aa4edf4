// sigrun submit FILE: files of jobs.
#pragma once

#include "kernel/app/sigrun/context.hpp"

#include <string>
#include <string_view>

namespace sigrun::cli {

/// A JSON document, of one job or of several; INI becomes that. "-" is stdin. At most 64 MiB. Throws failure.
std::string read_jobs(const std::string& file);
/// Whether it is a document for jobs.submit_many.
bool names_several(std::string_view document);

struct submit_options {
    std::string key;  // idempotency key; empty = one of its own
    bool wait = false, dry_run = false, quiet = false;
};
/// Submits them, prints their table (or JSON), and waits for them if that is wanted. The exit code: with `wait` the largest of the
/// jobs that were not skipped.
int submit_jobs(context& ctx, const std::string& document, const submit_options& how);

}  // namespace sigrun::cli
