// The sessions over HTTP that are open here, by their unguessable token. Thread-safe.
#pragma once

#include "loop.hpp"
#include "serve/problem.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun::http {

class server;
class session;

class session_table {
public:
    /// [loop] Makes a session on `where` and has the host adopt it as a link. Returns its token, or "" and
    /// the problem.
    std::string open(server& owner, loop& where, std::uint64_t connection, std::string_view ticket, problem& why);
    std::shared_ptr<session> find(std::string_view token) const;
    void forget(std::string_view token);

private:
    mutable std::mutex mutex_;
    std::map<std::string, std::shared_ptr<session>, std::less<>> sessions_;
};

}  // namespace sigrun::http
