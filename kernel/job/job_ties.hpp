// What ties a job to others that were submitted with it: its name among them, and which of them must have ended before it starts.
#pragma once

#include "kernel/base/id.hpp"
#include "kernel/base/json.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

class json_writer;

/// After which ends of its needs a job starts.
enum class need_condition : std::uint8_t {
    success,  // all have succeeded
    failure,  // all have ended, at least one otherwise
    always    // all have ended
};
std::string_view to_string(need_condition c) noexcept;
std::optional<need_condition> parse_need_condition(std::string_view text) noexcept;

/// How a need ended, as its dependents see it.
enum class need_end : std::uint8_t {
    open,  // not yet
    succeeded,
    failed,   // any other end
    skipped,  // it was to run only after a failure, and there was none
    unknown   // nobody knows that job any more
};
std::string_view to_string(need_end e) noexcept;

/// Of jobs of one submission; the others have none. Under the job's lock, as far as it changes.
struct job_ties {
    struct need {
        std::string name;
        id job{};
        need_end ended = need_end::open;
        std::string told;  // of an end other than success: "failed: exit code 3"
    };
    id submission{};
    std::uint32_t index = 0;  // its place there
    std::string name;
    need_condition when = need_condition::success;
    std::vector<need> needs;
    std::vector<id> dependents;  // found again from their needs after a restart

    bool open() const noexcept;  // whether any need has not ended
    enum class verdict : std::uint8_t { waits, starts, upstream, not_needed };
    /// What the ends that are known decide.
    verdict decide() const noexcept;
    /// Why it does not run, if that is decided.
    std::string skipped_text() const;
    /// "waits for build and test"
    std::string waiting_text() const;
};

/// Code of the failure of a job that was skipped.
constexpr std::string_view k_upstream = "upstream", k_not_needed = "not_needed";

/// The member "submission" of a job's record.
void write_ties(json_writer& w, const job_ties& ties);
std::unique_ptr<job_ties> read_ties(const json::object& record);

}  // namespace sigrun
