// The CLI's links to one daemon. New calls go over the newest; when the daemon asks to move (BYE with "reconnect", while a
// plugin of it is replaced) another link is opened first, and the old one is closed when its last call has ended.
//
// [any]. Callbacks run on plugin threads.
#pragma once

#include "kernel/link/link.hpp"

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli {

class lines final : public link_handler, public std::enable_shared_from_this<lines> {
public:
    /// `lost` runs when the link for new calls is gone.
    lines(plugin_host& host, std::shared_ptr<instance> protocol, std::string url, std::string auth,
          std::function<void()> lost);

    /// Opens a link in the place of the one there may be, whose calls end with an error; `done` runs once.
    void connect(std::function<void(result<void>)> done);
    bool connected() const;
    /// See link::call.
    void call(std::string_view method, std::string_view params, std::string_view document, reply_fn replies,
              std::function<void(result<void>)> done);
    /// Nothing is opened any more.
    void close();

    sigrun_result on_frame(const link_ptr& from, const sigrun_frame& frame) override;
    void on_lost(const link_ptr& which, const std::string& reason) override;

private:
    struct line {
        link_ptr via;
        std::size_t calls = 0;
        bool leaving = false;  // another one has the new calls
        bool asked = false;    // to be left
    };
    using line_ptr = std::shared_ptr<line>;

    void open(std::function<void(result<link_ptr>)> done);
    void move();
    void move_later();
    void call_over(const line_ptr& over);

    plugin_host& host_;
    const std::shared_ptr<instance> protocol_;
    const std::string url_;
    const std::string auth_;
    const std::function<void()> lost_;

    mutable std::mutex mutex_;  // everything below
    line_ptr now_;
    std::vector<line_ptr> leaving_;
    bool moving_ = false;
    bool closed_ = false;
    boost::asio::steady_timer retry_;
};

}  // namespace sigrun::cli
