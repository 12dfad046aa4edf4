// The configurations that were in use, one file each in a folder of their own: what `sigrun config history`, `show`,
// `diff` and `rollback` work on. The files hold secrets as they were written: 0600 in a folder of mode 0700.
//
// Bounded: the oldest revisions go. For one thread at a time.
#pragma once

#include "kernel/config/config_diff.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace sigrun {

struct config_revision {
    std::uint64_t number = 0;  // from 1, never used again
    std::int64_t wall_ns = 0;
    std::string why;                   // start, SIGHUP, file, api, rollback
    std::string note;                  // what else there is to say: "the files of revision 3"
    std::vector<config_file> files;    // as they were read
    settings merged;                   // with environment and flags
    std::vector<std::string> secrets;  // "section.key"
    std::vector<std::string> changes;  // lines of the difference to the revision before, without secrets

    secret_names hidden() const { return {secrets.begin(), secrets.end()}; }
};

class revision_store {
public:
    static constexpr std::size_t k_kept = 20;
    explicit revision_store(std::string folder) : folder_(std::move(folder)) {}

    /// Makes the folder if need be and looks which revisions there are.
    result<void> open();
    const std::vector<std::uint64_t>& numbers() const noexcept { return numbers_; }  // oldest first
    std::uint64_t last() const noexcept { return numbers_.empty() ? 0 : numbers_.back(); }
    result<config_revision> load(std::uint64_t number) const;
    /// On disk when it returns; the oldest beyond k_kept are gone.
    result<void> add(const config_revision& revision);

private:
    std::string path_of(std::uint64_t number) const { return folder_ + "/" + std::to_string(number) + ".json"; }

    const std::string folder_;
    std::vector<std::uint64_t> numbers_;
};

}  // namespace sigrun
