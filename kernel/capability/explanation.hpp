// Why a fact is what it is: which probes answered its key, which answer counts, and what their sources hold. [any]
#pragma once

#include "kernel/capability/detector.hpp"

#include <optional>

namespace sigrun {

/// One probe's answer to a key.
struct explained_answer {
    const probe_evidence* probe = nullptr;
    fact what;        // of a field of a record: the field's value under the full name
    std::string why;  // it counts, or does not
};
struct explained_key {
    std::string key;                        // "memory.total_bytes", "nic[0].mtu"
    std::vector<explained_answer> answers;  // the one that counts first
};

/// `asked`: a key, a record or a field of a list ("nic[0]", "nic[0].mtu"), or what keys begin with. If nothing is known of it but
/// that a probe failed which declares it, that failure. Otherwise: not_found, and the nearest key that exists.
result<std::vector<explained_key>> explain(const std::vector<probe_evidence>& all, std::string_view asked);

/// What the file or folder that `source` names holds now, at most 512 bytes: all of it, or of a longer file the lines with a word
/// of the key in them, or its first lines. Nothing if the source is no file that can be read so.
std::optional<std::string> raw_text(const std::string& sysroot, std::string_view source, std::string_view key);

/// Fact, probe, why, age and raw text as one object.
json::object to_json(const explained_key& key, const std::string& sysroot, std::int64_t wall_ns);

}  // namespace sigrun
