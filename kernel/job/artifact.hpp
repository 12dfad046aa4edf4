// Files that a job leaves: which it names in its document, and what of them travels and is stored.
//
// Pure. The controller reads the field when a job is submitted, and the runner again when the job has ended.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/base/result.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// What a document asks for: `"build/*.bin"`, or `{"path", "name", "optional"}`.
struct artifact_wish {
    std::string path;       // below the job's working directory; * ? [..] within a component, ** for any number of them
    std::string name;       // of what the path leads to; only without wildcards; "" = the path
    bool optional = false;  // it is no fault if there is none

    bool has_wildcards() const noexcept { return path.find_first_of("*?[") != std::string::npos; }
};

/// Wishes and artifacts of one job.
inline constexpr std::size_t k_most_artifacts = 256;

/// The field `artifacts` of a job document.
result<std::vector<artifact_wish>> parse_artifact_wishes(const json::value& field);

/// A relative path of 1 to 255 bytes of UTF-8 without control characters, whose components are neither empty, "." nor "..".
bool is_artifact_name(std::string_view name) noexcept;

struct artifact {
    std::string name;
    std::uint64_t size = 0;
    std::string sha256;  // 64 hex digits

    bool operator==(const artifact&) const = default;
};
using artifact_list = std::vector<artifact>;

/// Of all of them; saturates.
std::uint64_t size_of(const artifact_list& all) noexcept;
/// [{"name","size","sha256"}]
json::array to_json(const artifact_list& all);
/// Refuses more than k_most_artifacts, names that are none or come twice, and hashes that are none.
result<artifact_list> parse_artifacts(const json::array& all);

}  // namespace sigrun
