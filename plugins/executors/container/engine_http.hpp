// HTTP to a container engine over its UNIX socket: one connection for each request, blocking, with an end to each wait.
#pragma once

#include "descriptor.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace sigrun::container {

using steady = std::chrono::steady_clock;

/// The engine cannot be reached, is silent, or talks nonsense.
struct engine_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct engine_reply {
    unsigned status = 0;
    std::string body;  // at most 4 MiB
    bool good() const noexcept { return status >= 200 && status < 300; }
    /// What the engine says was wrong, else its body, else its status.
    std::string message() const;
};

/// One UNIX socket path. Cheap to copy. [any]
class engine_http {
public:
    explicit engine_http(std::string path) : path_(std::move(path)) {}
    const std::string& path() const noexcept { return path_; }

    /// `body` is JSON, or empty. Throws engine_error.
    engine_reply ask(std::string_view method, const std::string& target, const std::string& body,
                     std::chrono::milliseconds limit) const;

private:
    std::string path_;
};

/// An answer that comes in pieces, for as long as it takes. One thread.
class engine_stream {
public:
    /// Sends a request without a body and reads the head of the answer, within `limit`. Throws engine_error.
    engine_stream(const engine_http& engine, std::string_view method, const std::string& target,
                  std::chrono::milliseconds limit);
    engine_stream(engine_stream&&) noexcept;
    ~engine_stream();
    unsigned status() const;

    enum class state { piece, over, interrupted };
    /// Waits for the next piece until `until`, or until `wake` can be read; both are `interrupted`, and it goes on with the next
    /// call. A connection that breaks is over.
    state next(std::string& piece, steady::time_point until, int wake);

private:
    struct impl;
    std::unique_ptr<impl> impl_;
};

/// For a part of a target or a query.
std::string url_encoded(std::string_view text);

}  // namespace sigrun::container
