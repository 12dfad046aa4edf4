// Whose signatures count: the folder trust.d beside the configuration file.
//
//   NAME.pub   a public key (PEM); lines before it narrow what it is good for:
//                  plugins: sigrun.*, com.vendor.name     ids it may sign; without the line every id
//                  expires: 2027-06-30                    the last day (UTC) on which it counts
//   revoked    SHA-256 hashes of plugin files that must never be loaded, one a line; a text may follow. Counts always, also
//              where no signature is asked for.
//
// A key that cannot be read counts for nothing and is named in the log; a line of `revoked` that cannot be read is an error,
// because it may be the one that matters. Lines that begin with # are comments.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/guard/plugin_signature.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct trusted_key {
    std::string name;  // of its file
    std::string id;
    std::string pem;
    std::vector<std::string> plugins;  // patterns; empty = all
    std::string expires;               // "2027-06-30" or empty
    bool covers(std::string_view plugin) const;
    bool expired(std::int64_t wall_ns) const;
};
/// The text of a .pub file.
result<trusted_key> parse_trusted_key(std::string_view text, std::string name);

class trust_store {
public:
    /// Without a folder, or with an empty name, nobody is trusted and nothing revoked.
    static result<trust_store> read(const std::string& folder);

    void add(trusted_key key) { keys_.push_back(std::move(key)); }
    const std::vector<trusted_key>& keys() const noexcept { return keys_; }
    const std::string& folder() const noexcept { return folder_; }
    /// What the list says of it.
    std::optional<std::string> revoked(std::string_view sha256) const;
    /// Whose valid signature it is. The problem says what is missing: signature, key, scope, time, or the right bytes.
    result<std::string> check(std::string_view file_bytes, std::string_view signature_text, std::string_view plugin,
                              std::int64_t wall_ns) const;

private:
    std::string folder_;
    std::vector<trusted_key> keys_;
    std::vector<std::pair<std::string, std::string>> revoked_;  // hash, text
};

}  // namespace sigrun
