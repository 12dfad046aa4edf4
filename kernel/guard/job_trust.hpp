// Whose signatures of jobs count, and for which jobs. The folder is as that of plugins (trust_store.hpp), with these lines:
//
//   tenants: ci, team-*      the job's tenant          users: deploy       its `user`
//   kinds: process, call     its kind                  labels: env=prod    one of its labels, as NAME=VALUE
//   queues: release          its queue                 expires: 2027-06-30
//
// A line that is absent allows everything; a job without tenant, user or labels is in no scope of them but in "*". Hashes in
// `revoked` are those of the text that was signed (`sigrun job verify` tells it). Folder and files must be writable by their owner
// alone, who is root or this process's user.
#pragma once

#include "kernel/config/settings.hpp"
#include "kernel/guard/job_signature.hpp"
#include "kernel/guard/trust_store.hpp"

#include <sigrun/cpp/options.hpp>

#include <array>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

inline constexpr std::array<std::string_view, 5> k_job_scopes{"tenants", "kinds", "users", "labels", "queues"};

/// The section [security], of the daemon and of runners.
constexpr double k_job_day_ns = 86400e9;
inline constexpr std::array k_job_trust_table{
    sdk::option(
        "job_signature", SIGRUN_OPT_CHOICE,
        {.def = "off",
         .doc = "Whether jobs need a signature by a key of job_trust (`sigrun run --sign`): not, with a warning, or to "
                "be run. A runner checks what it is about to run, whatever its controller says; a daemon checks what "
                "is submitted, so that whoever forgot to sign is told at once.",
         .choices = "off,warn,require"}),
    sdk::option("job_trust", SIGRUN_OPT_PATH,
                {.doc = "Folder of the public keys (NAME.pub) whose jobs may run; by default job-trust.d beside the "
                        "configuration file. It and its files must belong to root or the user of this program, and "
                        "nobody else may "
                        "write to them. Looked at for each job."}),
    sdk::option(
        "job_signature_lifetime", SIGRUN_OPT_DURATION,
        {.def = "7d",
         .doc = "Signatures that are good for longer than this are refused: a runner remembers each job until its "
                "signature has expired, so that it is not run twice.",
         .min = 60e9,
         .max = 366 * k_job_day_ns}),
};

struct job_trust_options {
    enum class mode { off, warn, require };
    mode wanted = mode::off;
    std::string folder;  // of keys
    nanoseconds longest{0};
    nanoseconds look_each = std::chrono::milliseconds(100);  // at the folder
};
/// `beside`: the folder of the configuration file; "" = there is none. A problem: signatures are asked for, and no folder is named.
result<job_trust_options> read_job_trust(const bound_section& section, const std::string& beside);

/// Who signed.
struct job_signer {
    std::string key_id, name;  // name of its file
};

/// Whether these keys let this job run. `document` as it was signed, `payload` what the job gets.
result<job_signer> check_signed_job(const trust_store& trusted, const json::object& document, std::string_view payload,
                                    const job_signature& signature, std::int64_t wall_ns, nanoseconds longest);

/// Follows the folder. [any]
class job_trust {
public:
    /// An empty folder: nobody is trusted. Many jobs may come at once: it is looked at once in `look_each`.
    job_trust(std::string folder, nanoseconds look_each) : folder_(std::move(folder)), look_each_(look_each) {}
    const std::string& folder() const noexcept { return folder_; }
    /// The keys as they are now, or were `look_each` ago. A look at the folder's files; what is in them is read again when one of them
    /// is another. A problem: they cannot be read, or others could have put them there.
    result<std::shared_ptr<const trust_store>> now();

private:
    const std::string folder_;
    const nanoseconds look_each_;
    std::mutex mutex_;
    std::chrono::steady_clock::time_point look_again_{};
    std::string seen_;
    std::shared_ptr<const trust_store> keys_;
};

/// Ids of the keys that have not expired.
std::vector<std::string> usable_key_ids(const trust_store& keys, std::int64_t wall_ns);

}  // namespace sigrun
