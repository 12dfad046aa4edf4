// The CLI's connection to a daemon: protocol plugins, a link, method calls. Commands use it from the main
// thread.
#pragma once

#include "kernel/app/sigrun/lines.hpp"
#include "kernel/app/sigrun/loaded_plugins.hpp"
#include "kernel/app/sigrun/waiter.hpp"
#include "kernel/base/json.hpp"
#include "kernel/link/link.hpp"

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

namespace sigrun::cli {

class client {
public:
    struct target {
        std::string url;
        std::string plugin_dir;
        nanoseconds timeout;  // for connecting and for each answer
        std::string token;    // shown with each call; empty = none
        settings config;      // [tls] and [net]
    };
    client(target where, waiter& waits);
    ~client();
    client(const client&) = delete;
    client& operator=(const client&) = delete;

    /// (Re)opens the link; failure with source::transport when there is no daemon.
    void connect();
    bool connected() const { return lines_->connected(); }
    const std::string& url() const noexcept { return where_.url; }
    nanoseconds timeout() const noexcept { return where_.timeout; }

    /// One method call and its one answer; throws failure. `wait`: how much longer than usual the answer may
    /// take. `payload`: where the bytes that come with it go.
    std::string call(std::string_view method, const json::object& params, std::string_view document = {},
                     nanoseconds wait = nanoseconds(0), std::string* payload = nullptr);
    json::object call_object(std::string_view method, const json::object& params, std::string_view document = {},
                             nanoseconds wait = nanoseconds(0));
    /// Asynchronous: see link::call. The callbacks run on plugin threads.
    void start(std::string_view method, std::string_view params, std::string_view document, reply_fn replies,
               std::function<void(result<void>)> done);
    waiter& waits() noexcept { return waits_; }

private:
    target where_;
    waiter& waits_;
    loaded_plugins plugins_;
    std::shared_ptr<lines> lines_;
};

}  // namespace sigrun::cli
