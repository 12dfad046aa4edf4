// The component `http`: its threads, its serving and its dialling face.
#pragma once

#include "departure.hpp"
#include "dial/dialler.hpp"
#include "loop.hpp"
#include "serve/server.hpp"

#include <sigrun/cpp/host.hpp>
#include <sigrun/cpp/options.hpp>
#include <sigrun/protocol.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sigrun::http {

class http_plugin {
public:
    http_plugin(sdk::host host, const sdk::config_reader& config);
    ~http_plugin();

    const void* interface(std::string_view id) noexcept;
    void start();
    void drain(std::uint64_t deadline_ns, sdk::op done);
    /// As sigrun_serve.retire; E_EXISTS the second time.
    sigrun_result retire(std::uint64_t deadline_ns, sigrun_op done);
    /// Everything but the number of threads changes at once; open connections keep what they read already.
    bool reconfigure(const sdk::config_reader& config);
    void commit();
    void abort() noexcept { next_.reset(); }

    server& serving() noexcept { return *server_; }
    dialler& dialling() noexcept { return *dialler_; }

private:
    void depart(departure::manner how, std::uint64_t deadline_ns, sdk::op done);

    struct option_sets {
        server_options serve;
        dial_options dial;
    };
    static option_sets read(const sdk::config_reader& config);

    sdk::host host_;
    bool running_ = false;  // [ctl]
    std::atomic<std::size_t> departing_{0};
    std::optional<option_sets> next_;  // between reconfigure and commit
    std::vector<std::unique_ptr<loop>> loops_;
    std::unique_ptr<server> server_;
    std::unique_ptr<dialler> dialler_;
};

}  // namespace sigrun::http
