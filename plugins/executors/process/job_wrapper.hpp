// How an executor puts its jobs apart from the machine: by itself, or by a program that it runs them in.
#pragma once

#include "process_job.hpp"
#include "setting_plan.hpp"

#include <sigrun/cpp/fact_writer.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace sigrun::process {

/// Where and with what an attempt is about to run.
struct wrap_place {
    const std::string& workspace;
    const std::string& workdir;
    std::uint32_t uid = 0;  // as whom
    std::string path;       // where its programs are looked for
    base_environment& environment;
};

/// [work], from several threads at once.
class job_wrapper {
public:
    virtual ~job_wrapper() = default;
    /// The kind of jobs it is for.
    virtual std::string_view kind() const noexcept = 0;
    /// Whether it has something to do for a job that asks for nothing.
    virtual bool always() const noexcept { return false; }
    /// Plans the job's isolation and may put something in front of its commands. Throws setting_refused or job_error for a job
    /// that must not run like this.
    virtual setting_plan wrap(const sdk::job_setting& wanted, const wrap_place& place,
                              std::vector<step>& steps) const = 0;
    /// What a job can ask for here, as facts isolation.*.
    virtual void describe(sdk::fact_writer& facts) const = 0;
};

/// The kernel's own means, put on each process by the shim: what the executor `process` does.
class plain_jobs final : public job_wrapper {
public:
    /// `writable`: what a job with read-only files may have writable.
    explicit plain_jobs(std::vector<std::string> writable)
        : means_(isolation_means::of_this_process()), writable_(std::move(writable)) {}
    std::string_view kind() const noexcept override { return "process"; }
    setting_plan wrap(const sdk::job_setting& wanted, const wrap_place& place, std::vector<step>& steps) const override;
    void describe(sdk::fact_writer& facts) const override;

private:
    isolation_means means_;
    std::vector<std::string> writable_;
};

}  // namespace sigrun::process
