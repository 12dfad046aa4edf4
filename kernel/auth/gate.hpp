// Who calls, and whether he may. The connection says where a caller comes from, the call may bring a token.
//
//   this machine (UNIX socket; loopback, if it is trusted) -> admin, as ever
//   a token                                                -> its role
//   a client certificate                                   -> the role its name was given, else runner
//   nobody known                                           -> may register as a runner that has joined, or join
// Everything [any]; without `required` everybody may everything, at the cost of one load.
#pragma once

#include "kernel/auth/token_store.hpp"
#include "kernel/metrics/metrics.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

namespace sigrun {

struct gate_options {
    bool required = false;
    bool trust_loopback = true;
    std::map<std::string, role, std::less<>> certificates;  // by name; others are runners
};

/// The far end of a session, as the listener saw it.
struct session_peer {
    bool local = false;       // a UNIX socket
    bool loopback = false;    // TCP of this machine
    std::uint32_t uid = 0;    // of a UNIX socket
    std::string certificate;  // verified name; empty = none
    std::string address;      // of TCP, without the port
};

struct caller {
    enum class kind_t : std::uint8_t { anonymous, local, token, certificate };
    kind_t kind = kind_t::anonymous;
    role grants = role::reader;
    std::string name;        // "uid 1000", "token ci", "cert build-7"
    std::string evidence;    // why it is anonymous, for the refusal
    bool is_runner = false;  // a runner was admitted over the same connection
    std::shared_ptr<const token_record> token;
    std::string certificate;
};

class gate {
public:
    gate(token_store& tokens, metrics& numbers);
    void set_options(gate_options options);
    bool required() const noexcept { return required_.load(std::memory_order_relaxed); }
    /// Connections that are local to the operator's eyes: may do everything, and need no TLS.
    bool is_trusted(const session_peer& peer) const;

    /// While the connection lives.
    void opened(std::uint64_t session, session_peer peer);
    void closed(std::uint64_t session);
    /// Where a TCP connection comes from, as seen here; "" = it is none, or has ended.
    std::string address_of(std::uint64_t session) const;

    /// `auth` is what the call brought: "bearer TOKEN", "uid N" or "".
    caller identify(std::uint64_t session, std::string_view auth) const;
    /// unauthenticated, or forbidden, or good.
    result<void> check(const caller& who, std::string_view method) const;
    /// Whether this caller may be the runner `name`, whose key has this hash; uses up a join token. From then on its
    /// connection is a runner's.
    result<void> admit_runner(std::uint64_t session, const caller& who, std::string_view auth, const std::string& name,
                              const std::string& key_sha256, const token_labels& labels);

    token_store& tokens() noexcept { return tokens_; }

private:
    /// What is remembered of a connection: a token is hashed and looked for once, not for each of its calls.
    struct connected {
        session_peer peer;
        std::string auth;  // the last one that was found good; empty = none
        std::shared_ptr<const token_record> token;
        std::uint64_t revision = 0;  // of the tokens at that time
        bool runner = false;         // one was admitted over it
    };
    struct shard {
        std::mutex mutex;
        std::unordered_map<std::uint64_t, connected> peers;
    };
    std::shared_ptr<const token_record> token_of(std::uint64_t session, std::string_view auth) const;
    problem refuse(const caller& who, std::string_view what) const;
    result<void> may_be_runner(const caller& who, std::string_view auth, const std::string& name,
                               const std::string& key_sha256, const token_labels& labels);

    token_store& tokens_;
    mutable counter unauthenticated_, forbidden_;
    std::atomic<bool> required_{false};
    std::atomic<std::shared_ptr<const gate_options>> options_;
    mutable std::array<shard, 16> shards_;
};

}  // namespace sigrun
