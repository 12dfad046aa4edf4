// The http plugin as the dialling side of a link.
#pragma once

#include <sigrun/cpp/mock_host.hpp>
#include <sigrun/cpp/recording_sink.hpp>
#include <sigrun/protocol.h>

#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace sigrun::http::testing {

/// A second plugin instance in the part of the dialling side.
struct dialler_host {
    dialler_host() : instance(host.start(host.create("http", {{"session_timeout", "2s"}, {"connect_timeout", "2s"}}))) {
        table = static_cast<const sigrun_protocol*>(instance->get_interface(instance, sdk::str(SIGRUN_KIND_PROTOCOL)));
    }
    ~dialler_host() {
        if (link) close();
        host.destroy(instance);
        EXPECT_EQ(host.live_threads(), 0u);
        EXPECT_EQ(host.open_ops(), 0u);
        EXPECT_EQ(host.double_completions(), 0u);
        EXPECT_EQ(host.live_buffers(), 0u);
    }
    sdk::mock_host::outcome open(const std::string& uri, const std::string& options = {}) {
        const sigrun_endpoint where{sizeof where, 0, sdk::str(uri), {}, sdk::str(options), 0};
        const auto op = host.mint();
        const auto r = table->dial->open(instance, &where, sink.abi(), op, &link);
        if (r < 0) {
            host.forget(op);
            return {r, {}};
        }
        auto out = host.wait(op);
        if (out.result < 0) link = nullptr;
        return out;
    }
    void close() {
        const auto op = host.mint();
        table->link->close(link, SIGRUN_OK, op);
        link = nullptr;
        host.wait(op);
    }
    sdk::mock_host::outcome call(std::string_view method, std::string_view params, std::string_view document,
                                 const sdk::recording_sink& replies, std::string_view payload = {}) {
        const auto h = host.get();
        sdk::buffer bytes;
        if (!payload.empty()) bytes = sdk::buffer(h, payload);
        const sigrun_call c{
            sizeof c, 0, sdk::str(method), sdk::str(params), sdk::str(document), sdk::str("bearer me"), bytes.get(), 0};
        const auto op = host.mint();
        EXPECT_EQ(table->link->call(link, &c, replies.abi(), op), SIGRUN_PENDING);
        return host.wait(op);
    }
    sdk::mock_host::outcome detect(const std::string& uri, std::string_view profile = {}) {
        const sigrun_endpoint where{sizeof where, 0, sdk::str(uri), sdk::str(profile), {}, 0};
        const auto op = host.mint();
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(2);
        const auto r =
            table->dial->detect(instance, &where, static_cast<std::uint64_t>(until.time_since_epoch().count()), op);
        if (r < 0) {
            host.forget(op);
            return {r, {}};
        }
        return host.wait(op);
    }

    sdk::mock_host host;
    sdk::recording_sink sink;
    sigrun_instance* instance;
    const sigrun_protocol* table = nullptr;
    sigrun_link* link = nullptr;
};

}  // namespace sigrun::http::testing
