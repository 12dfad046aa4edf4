// What of a Sigrun job document a legacy runner can be told. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun::http::rustci {

struct step {
    std::string name;
    std::vector<std::string> argv;  // never empty
};

struct job_document {
    std::vector<step> steps;  // a plain command is one step
    bool single = true;       // the document has `command`, not `steps`
    std::vector<std::pair<std::string, std::string>> env;
    std::string workdir;
    std::vector<std::pair<std::string, std::string>> labels;
    int priority = 2;
    std::optional<std::uint64_t> run_timeout_s;  // rounded up
};

/// Nothing and `why` if the document is not one such a runner could run: another kind than `process`, no
/// command, texts with NUL bytes.
std::optional<job_document> read_job(std::string_view json, std::string& why);

}  // namespace sigrun::http::rustci
