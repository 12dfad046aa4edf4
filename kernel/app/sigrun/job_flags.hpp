// The options that describe a job, shared by run and submit.
#pragma once

#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/job_document.hpp"

namespace sigrun::cli {

/// `with_words`: plain words without "--" are the command too.
void add_job_flags(CLI::App& app, job_options& into, bool with_words = true);
/// Those of them that limit what it may use.
void add_limit_flags(CLI::App& app, job_options& into);
/// Those of them that say as whom, at what terminal and apart from what it runs.
void add_setting_flags(CLI::App& app, setting_options& into);
/// Those of them that say how the job gets to its runner.
void add_protocol_flags(CLI::App& app, job_options& into);
/// Adds what stood behind "--".
void take_command(context& ctx, job_options& into);

}  // namespace sigrun::cli
