#include "serve/session_table.hpp"

#include "serve/server.hpp"
#include "serve/session.hpp"

#include <sys/random.h>

namespace sigrun::http {
namespace {

/// 128 random bits as hexadecimal text.
std::string new_token() {
    unsigned char bits[16];
    std::size_t have = 0;
    while (have < sizeof bits) {
        const auto n = getrandom(bits + have, sizeof bits - have, 0);
        if (n < 0 && errno != EINTR) throw sdk::failure(SIGRUN_E_IO, "the system gives no random bits");
        if (n > 0) have += static_cast<std::size_t>(n);
    }
    constexpr std::string_view k_hex = "0123456789abcdef";
    std::string out;
    for (unsigned char b : bits) {
        out += k_hex[b >> 4];
        out += k_hex[b & 15u];
    }
    return out;
}

}  // namespace

std::string session_table::open(server& owner, loop& where, std::uint64_t connection, std::string_view ticket,
                                problem& why) {
    if (!owner.links()) {
        why = {"unsupported", "this host takes no sessions", "host", "one that takes links", "one that takes none"};
        return {};
    }
    auto token = new_token();
    auto made = std::make_shared<session>(owner, where, token);
    {
        std::lock_guard lock(mutex_);
        if (sessions_.size() >= owner.options().max_connections) {
            why = {"busy", "too many sessions are open", "sessions",
                   sdk::concat("at most ", owner.options().max_connections, " (option max_connections)"),
                   sdk::concat(sessions_.size())};
            return {};
        }
        sessions_.emplace(token, made);
    }
    sdk::error_text error;
    if (made->adopt(connection, ticket, &error.abi) == SIGRUN_OK) return token;
    forget(token);
    why = {"unavailable", error.text().empty() ? "the host refused the session" : std::string(error.text())};
    return {};
}

std::shared_ptr<session> session_table::find(std::string_view token) const {
    std::lock_guard lock(mutex_);
    const auto found = sessions_.find(token);
    return found == sessions_.end() ? nullptr : found->second;
}

void session_table::forget(std::string_view token) {
    std::shared_ptr<session> keep;
    std::lock_guard lock(mutex_);
    const auto found = sessions_.find(token);
    if (found == sessions_.end()) return;
    keep = std::move(found->second);
    sessions_.erase(found);
}

}  // namespace sigrun::http
