// Whether jobs that are submitted are signed as [security] asks. It is the same check as a runner's, made early: whoever forgot to
// sign, or signed with a key that nobody trusts, learns it at once. A runner does not rely on it. [any]
#pragma once

#include "kernel/guard/job_trust.hpp"

#include <string_view>

namespace sigrun {

class submitted_signatures {
public:
    submitted_signatures(job_trust_options options, const clock& clk)
        : options_(std::move(options)), clock_(clk), trust_(options_.folder, options_.look_each) {}

    bool asked_for() const noexcept { return options_.wanted != job_trust_options::mode::off; }
    /// `payload`: beside the document; empty = that of the document. Problems begin with `within`, such as "jobs.build".
    result<void> check(std::string_view document, std::string_view payload, std::string_view within = {});

private:
    result<void> look(std::string_view document, std::string_view payload);

    const job_trust_options options_;
    const clock& clock_;
    job_trust trust_;
};

}  // namespace sigrun
