// Whose signatures count: a folder of keys, one for each purpose, since a key for plugins must not be one for jobs by accident.
// For plugins it is trust.d beside the configuration file; for jobs see job_trust.hpp.
//
//   NAME.pub   a public key (PEM); lines before it narrow what it is good for:
//                  plugins: sigrun.*, com.vendor.name     ids it may sign; without the line every id
//                  expires: 2027-06-30                    the last day (UTC) on which it counts
//              Nothing may stand after it.
//   revoked    SHA-256 hashes of what must never be accepted (plugin files; texts of signed jobs), one a line; a text may
//              follow. Counts always, for plugins also where no signature is asked for.
//
// A key that cannot be read, or that two files have (perhaps with other limits), counts for nothing and is named in the log; a line
// of `revoked` that cannot be read is an error, because it may be the one that matters. Lines that begin with # are comments.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/guard/folder_check.hpp"
#include "kernel/guard/plugin_signature.hpp"

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

/// The lines by which a key can be narrowed, beside `expires`.
using key_scopes = std::span<const std::string_view>;
inline constexpr std::array<std::string_view, 1> k_plugin_scopes{"plugins"};

struct trusted_key {
    std::string name;  // of its file
    std::string id;
    std::string pem;
    std::map<std::string, std::vector<std::string>, std::less<>>
        scopes;           // patterns by line; a line that is absent = all
    std::string expires;  // "2027-06-30" or empty
    bool covers(std::string_view scope, std::string_view value) const;
    /// "com.vendor.*, org.one", or empty: all.
    std::string scope_text(std::string_view scope) const;
    bool expired(std::int64_t wall_ns) const;
};
/// The text of a .pub file.
result<trusted_key> parse_trusted_key(std::string_view text, std::string name, key_scopes scopes = k_plugin_scopes);

class trust_store {
public:
    /// Without a folder, or with an empty name, nobody is trusted and nothing revoked.
    static result<trust_store> read(const std::string& folder, key_scopes scopes = k_plugin_scopes);
    /// A key that others could have written counts for nothing, and a list `revoked` that they could have is an error.
    static result<trust_store> read(const checked_folder& folder, key_scopes scopes);

    void add(trusted_key key) { keys_.push_back(std::move(key)); }
    const std::vector<trusted_key>& keys() const noexcept { return keys_; }
    const std::string& folder() const noexcept { return folder_; }
    /// What the list says of it.
    std::optional<std::string> revoked(std::string_view sha256) const;
    /// The key of a signature, which is one of these and has not expired.
    result<const trusted_key*> usable_key(std::string_view id, std::int64_t wall_ns) const;
    /// Whose valid signature of a plugin it is. The problem says what is missing: signature, key, scope, time, or the right bytes.
    result<std::string> check(std::string_view file_bytes, std::string_view signature_text, std::string_view plugin,
                              std::int64_t wall_ns) const;

private:
    /// The bytes of a file of the folder, at most so many.
    using reader = std::function<result<std::string>(const std::string& name, std::size_t limit)>;
    result<void> fill(const reader& file, key_scopes scopes);
    result<void> fill_revoked(const reader& file);
    void keep(trusted_key key);

    std::string folder_;
    std::vector<trusted_key> keys_;
    std::vector<std::pair<std::string, std::string>> revoked_;  // hash, text
};

}  // namespace sigrun
