// Tokens and the identities of runners that joined with one: a private file of hashes.
//
// A token is "sgt_" ID "_" SECRET: the id finds the record, the secret, 256 random bits, is kept as its SHA-256 alone and
// compared in constant time. A join token is used up by the runner that shows it; from then on the runner's own key is its
// proof. Every change is on the disk before anybody is told. [any]
#pragma once

#include "kernel/auth/role.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/json.hpp"
#include "kernel/base/result.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

using token_labels = std::map<std::string, std::string, std::less<>>;

struct token_record {
    enum class kind_t : std::uint8_t { token, join, runner };
    std::string id;
    kind_t kind = kind_t::token;
    std::string name;  // of a runner: its own
    role grants = role::reader;
    std::string sha256;             // of the secret, or of a runner's key
    std::int64_t created_ns = 0;    // wall clock
    std::int64_t expires_ns = 0;    // 0 = never
    std::string runners = "*";      // names that may register with it
    token_labels labels;            // that a runner must have
    std::string tenant;             // whose jobs alone it is about; empty = all
    std::string old_sha256;         // of the secret before the last rotation
    std::int64_t old_until_ns = 0;  // until then that one is good as well

    bool expired(std::int64_t now_ns) const noexcept { return expires_ns && expires_ns <= now_ns; }
    /// Without the hash.
    json::object to_json() const;
};

struct token_request {
    bool join = false;
    std::string name;
    role grants = role::reader;
    nanoseconds life{0};  // 0 = for ever
    std::string runners = "*";
    token_labels labels;
    std::string tenant;
};
struct issued_token {
    token_record record;
    std::string text;  // shown once
};

class token_store {
public:
    static constexpr std::size_t k_max_records = 100'000;

    explicit token_store(const clock& time) : time_(time) {}
    /// Reads the file, which may be missing; one that others can read is refused.
    result<void> open(const std::string& path);

    result<issued_token> create(const token_request& wanted);
    /// By id, or by name if only one has it.
    result<token_record> remove(std::string_view id_or_name);
    /// The same token with a new secret; the old one stays good for `overlap`. Not of join tokens and runners.
    result<issued_token> rotate(std::string_view id_or_name, nanoseconds overlap);
    std::vector<token_record> list() const;  // oldest first

    /// The valid record of a token's text; nothing tells a wrong one from one that has ended.
    std::optional<token_record> find(std::string_view text) const;
    /// Counts changes: what was found under one number holds while it stays, but for what expires.
    std::uint64_t revision() const noexcept { return revision_.load(std::memory_order_acquire); }
    bool expired(const token_record& r) const { return r.expired(time_.wall_ns()); }
    /// Whether a runner of this name has joined with the key of this hash.
    bool is_runner(std::string_view name, std::string_view key_sha256) const;
    /// Uses up a join token for a runner: its key is its identity from now on. Whoever comes second is refused.
    result<void> join(std::string_view text, const std::string& name, const std::string& key_sha256,
                      const token_labels& labels);

private:
    result<token_record> named_locked(std::string_view id_or_name) const;
    result<void> replace_locked(std::map<std::string, token_record, std::less<>> fresh);
    std::optional<token_record> find_locked(std::string_view text) const;
    result<void> save(const std::map<std::string, token_record, std::less<>>& records) const;

    const clock& time_;
    std::string path_;
    mutable std::mutex mutex_;
    std::map<std::string, token_record, std::less<>> records_;  // by id
    std::atomic<std::uint64_t> revision_{1};
};

/// Whether the two are equal; how long it takes says nothing of where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

}  // namespace sigrun
