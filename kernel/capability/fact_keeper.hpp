// Keeps what the probes say in a file, and gives it back after a restart. What cannot be read is told once and left alone; so is
// a disk that cannot be written. [any]
#pragma once

#include "kernel/capability/fact_file.hpp"

#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace sigrun {

class fact_keeper {
public:
    /// Reads the file now, if there is one. `boot_id`: of this boot of the machine.
    fact_keeper(std::string path, std::string boot_id);
    /// What the probe of this name and code said before the restart, as far as it is worth something; once.
    std::optional<std::vector<fact>> take(const std::string& probe, const std::string& code);
    /// [work] Replaces the file. False: it could not; the first time that is told.
    bool keep(std::vector<kept_answer> answers);

private:
    const std::string path_, boot_id_;
    std::mutex mutex_;
    bool same_boot_ = false, warned_ = false;
    std::map<std::string, kept_answer> known_;
};

}  // namespace sigrun
