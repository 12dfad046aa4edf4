#include "kernel/auth/gate.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

constexpr std::string_view k_bearer = "bearer ";

counter refusals(metrics& m, const char* why) {
    return m.get_counter("sigrun_auth_refusals_total", "Calls refused because of who called, by reason.",
                         {{"reason", why}});
}

std::string_view token_in(std::string_view auth) {
    return auth.substr(0, k_bearer.size()) == k_bearer ? auth.substr(k_bearer.size()) : std::string_view();
}

}  // namespace

gate::gate(token_store& tokens, metrics& numbers)
    : tokens_(tokens),
      unauthenticated_(refusals(numbers, "unauthenticated")),
      forbidden_(refusals(numbers, "forbidden")),
      options_(std::make_shared<const gate_options>()) {}

void gate::set_options(gate_options options) {
    const bool required = options.required;
    options_.store(std::make_shared<const gate_options>(std::move(options)));
    required_ = required;
}

bool gate::is_trusted(const session_peer& peer) const {
    return peer.local || (peer.loopback && options_.load()->trust_loopback);
}

void gate::opened(std::uint64_t session, session_peer peer) {
    auto& s = shards_[session % shards_.size()];
    std::lock_guard lock(s.mutex);
    s.peers[session] = {std::move(peer), {}, nullptr, 0};
}

void gate::closed(std::uint64_t session) {
    auto& s = shards_[session % shards_.size()];
    std::lock_guard lock(s.mutex);
    s.peers.erase(session);
}

/// The record of a call's token, or null. What this connection showed before is taken from memory, as long as no token was
/// made or removed since; anything else is looked for.
std::shared_ptr<const token_record> gate::token_of(std::uint64_t session, std::string_view auth) const {
    auto& s = shards_[session % shards_.size()];
    {
        std::lock_guard lock(s.mutex);
        const auto found = s.peers.find(session);
        if (found != s.peers.end() && found->second.token && found->second.revision == tokens_.revision() &&
            equal_in_constant_time(found->second.auth, auth) && !tokens_.expired(*found->second.token))
            return found->second.token;
    }
    const auto revision = tokens_.revision();  // before the look: a removal during it makes what it found worth nothing
    auto record = tokens_.find(token_in(auth));
    if (!record) return nullptr;
    auto token = std::make_shared<const token_record>(std::move(*record));
    std::lock_guard lock(s.mutex);
    if (const auto found = s.peers.find(session); found != s.peers.end()) {
        auto& c = found->second;
        c.auth = auth;
        c.token = token;
        c.revision = revision;
    }
    return token;
}

std::string gate::address_of(std::uint64_t session) const {
    auto& s = shards_[session % shards_.size()];
    std::lock_guard lock(s.mutex);
    const auto found = s.peers.find(session);
    return found == s.peers.end() ? std::string() : found->second.peer.address;
}

caller gate::identify(std::uint64_t session, std::string_view auth) const {
    session_peer peer;
    caller who;
    {
        auto& s = shards_[session % shards_.size()];
        std::lock_guard lock(s.mutex);
        if (const auto found = s.peers.find(session); found != s.peers.end()) {
            peer = found->second.peer;
            who.is_runner = found->second.runner;
        }
    }
    if (is_trusted(peer)) {
        who.kind = caller::kind_t::local;
        who.grants = role::admin;
        who.name = peer.local ? sdk::concat("uid ", peer.uid) : "loopback";
        return who;
    }
    who.certificate = peer.certificate;
    if (!token_in(auth).empty()) {
        who.token = token_of(session, auth);
        if (!who.token) {
            who.evidence = "a token that is unknown or has expired";
            return who;
        }
        if (who.token->kind == token_record::kind_t::join) {
            who.evidence = "a join token, which is for runners alone";
            return who;
        }
        who.kind = caller::kind_t::token;
        who.grants = who.token->grants;
        who.name = "token " + who.token->name;
        return who;
    }
    if (!peer.certificate.empty()) {
        const auto options = options_.load();
        const auto given = options->certificates.find(peer.certificate);
        who.kind = caller::kind_t::certificate;
        who.grants = given == options->certificates.end() ? role::runner : given->second;
        who.name = "cert " + peer.certificate;
        return who;
    }
    who.evidence = auth.empty() ? "none" : "another kind of credentials";
    return who;
}

problem gate::refuse(const caller& who, std::string_view what) const {
    if (who.kind == caller::kind_t::anonymous) {
        unauthenticated_.add();
        return problem{errc::unauthenticated, "this daemon asks who calls", "auth",
                       "a bearer token (--token, SIGRUN_TOKEN) or a client certificate", who.evidence};
    }
    forbidden_.add();
    return problem{errc::forbidden, sdk::concat(who.name, " may not do this"), "auth", std::string(what),
                   sdk::concat("role ", to_string(who.grants))};
}

result<void> gate::check(const caller& who, std::string_view method) const {
    const auto needed = needed_for(method);
    // A runner's proof is in what it says, not in the call: see admit_runner.
    if (needed == permission::nothing || needed == permission::join) return {};
    if (who.kind != caller::kind_t::anonymous && allows(who.grants, needed)) return {};
    if (needed == permission::measure && who.is_runner) return {};
    return refuse(who, who_may(needed));
}

result<void> gate::admit_runner(std::uint64_t session, const caller& who, std::string_view auth,
                                const std::string& name, const std::string& key_sha256, const token_labels& labels) {
    SIGRUN_CHECK_OK(may_be_runner(who, auth, name, key_sha256, labels));
    auto& s = shards_[session % shards_.size()];
    std::lock_guard lock(s.mutex);
    if (const auto found = s.peers.find(session); found != s.peers.end()) found->second.runner = true;
    return {};
}

result<void> gate::may_be_runner(const caller& who, std::string_view auth, const std::string& name,
                                 const std::string& key_sha256, const token_labels& labels) {
    if (who.kind == caller::kind_t::local || tokens_.is_runner(name, key_sha256)) return {};
    if (who.kind == caller::kind_t::token) {
        if (!allows(who.grants, permission::join)) return refuse(who, who_may(permission::join));
        if (matches_glob(who.token->runners, name)) return {};
        return problem{errc::forbidden, sdk::concat(who.name, " is for other runners"), "name",
                       "one like " + who.token->runners, name};
    }
    if (who.kind == caller::kind_t::certificate) {
        if (!allows(who.grants, permission::join)) return refuse(who, who_may(permission::join));
        if (who.grants == role::admin || who.certificate == name) return {};
        return problem{errc::forbidden, "the certificate is of another runner", "name", who.certificate, name};
    }
    if (const auto token = token_in(auth); !token.empty()) {
        auto joined = tokens_.join(token, name, key_sha256, labels);
        if (!joined) (joined.error().code == errc::unauthenticated ? unauthenticated_ : forbidden_).add();
        return joined;
    }
    unauthenticated_.add();
    return problem{errc::unauthenticated, "this daemon does not know this runner", "auth",
                   "a join token (sigrun-runner --join), a token of role runner or a client certificate", who.evidence};
}

}  // namespace sigrun
