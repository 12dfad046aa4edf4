// Whether this runner runs a job, by who signed it: asked about what it is about to run, and whatever its controller says of it.
//
// The document that was signed is built from the one of the offer (kernel/job/filled_in.hpp), and the executor gets that very one,
// written anew from what was checked, in its canonical form. [any] unless said otherwise.
#pragma once

#include "kernel/agent/used_nonces.hpp"
#include "kernel/guard/job_trust.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

class signed_jobs {
public:
    /// `file`: where it is kept which of them have begun; "" = nowhere.
    signed_jobs(job_trust_options options, std::string file, const clock& clk);

    bool asked_for() const noexcept { return options_.wanted != job_trust_options::mode::off; }
    bool required() const noexcept { return options_.wanted == job_trust_options::mode::require; }

    struct verdict {
        std::string document;  // to be run
        std::string told;      // to the controller: {"key": .., "by": .., "verified": true}, or why not; "" = nothing
        std::string nonce;     // "" = none to be remembered
        std::int64_t expires_ns = 0;
        std::uint32_t most_attempts = 1;
    };
    /// A problem: it must not run here; errc::conflict: and never will, whatever keys this runner is given.
    result<verdict> judge(std::string_view document, std::string_view payload);
    /// [work] What was judged begins now, as this job; a problem: as before. What is told of it may become another.
    result<void> begin(verdict& which, std::string_view job);
    /// [work] It has begun, but nothing of it was run: it is none of its attempts.
    void give_back(const verdict& which, std::string_view job);

    /// Ids of the keys whose jobs run here.
    std::vector<std::string> key_ids();

private:
    result<verdict> check(std::string_view document, std::string_view payload);

    const job_trust_options options_;
    const clock& clock_;
    job_trust trust_;
    used_nonces nonces_;
    std::mutex mutex_;
    std::string trouble_;  // with the keys, as it was last told
};

}  // namespace sigrun
