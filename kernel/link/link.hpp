// One live way to a peer over one protocol, around sigrun_link. Opened by dial() or made by adoption.
//
// All [any]. Frames and the end arrive at the handler, one at a time per link. A link keeps itself alive while it is
// open, so whoever has one calls close() when done with it; a link that was lost closes itself.
#pragma once

#include "kernel/base/clock.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/protocol.h>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace sigrun {

class link;
using link_ptr = std::shared_ptr<link>;

/// Who gets a link's frames. Held weakly by the link; not called after it is gone.
class link_handler {
public:
    virtual ~link_handler() = default;
    /// Everything but BYE|LAST. Borrowed for the call. E_BUSY pauses the peer's log stream.
    virtual sigrun_result on_frame(const link_ptr& from, const sigrun_frame& frame) = 0;
    /// The connection is gone; called once.
    virtual void on_lost(const link_ptr& which, const std::string& reason) = 0;
};

/// A reply of a method call: REPLY frames until FRAME_LAST.
struct reply_view {
    std::string_view json;
    sigrun_buf* payload;
    bool last;
    bool error;
};
using reply_fn = std::function<sigrun_result(const reply_view&)>;

class link : public std::enable_shared_from_this<link> {
public:
    /// Use dial() or wrap().
    link(plugin_host& host, std::shared_ptr<instance> protocol, std::weak_ptr<link_handler> handler);
    link(const link&) = delete;
    link& operator=(const link&) = delete;
    ~link();
    /// A link around an accepted connection.
    static link_ptr wrap(plugin_host& host, std::shared_ptr<instance> protocol, sigrun_link* raw,
                         std::weak_ptr<link_handler> handler);

    const std::string& protocol_name() const noexcept { return name_; }
    /// What it was opened over: a version of the plugin that may have been replaced since.
    const std::shared_ptr<instance>& protocol() const noexcept { return protocol_; }
    bool alive() const noexcept { return open_.load(std::memory_order_acquire); }
    bool foreign() const noexcept { return foreign_; }
    /// The plugin has let go: no frame is or will be on its way.
    bool gone() const noexcept { return gone_.load(std::memory_order_acquire); }
    const sigrun_sink* sink() const noexcept { return &sink_; }

    sigrun_result execute(const sigrun_frame& offer) noexcept;
    sigrun_result cancel(const sigrun_attempt& attempt, nanoseconds grace) noexcept;
    sigrun_result send(const sigrun_frame& frame) noexcept;
    void attach(const sigrun_attempt& attempt, std::uint64_t log_offset, op_callback done);
    void describe(op_callback done);
    void ping(op_callback done);
    /// `replies` runs until the last reply; then `done` (ok, or the transport's problem).
    void call(std::string_view method, std::string_view params, std::string_view document, sigrun_buf* payload,
              reply_fn replies, std::function<void(result<void>)> done);
    /// One reply expected: `done` gets its json (or the problem it carried).
    void call_once(std::string_view method, std::string_view params, std::string_view document,
                   std::function<void(result<std::string>)> done);
    void set_handler(std::weak_ptr<link_handler> handler);
    /// Whatever the handler wants to find again with a frame; set once, before frames arrive.
    void set_context(std::shared_ptr<void> context) noexcept { context_ = std::move(context); }
    const std::shared_ptr<void>& context() const noexcept { return context_; }
    /// What calls over it bring, such as "bearer TOKEN"; set once, before the first call.
    void set_auth(std::string auth) noexcept { auth_ = std::move(auth); }
    /// Ends it. on_lost is not called for a link closed by its owner.
    void close(sigrun_result why = SIGRUN_OK) noexcept;

private:
    friend void dial(plugin_host&, const std::shared_ptr<instance>&, const struct dial_target&,
                     std::weak_ptr<link_handler>, std::function<void(result<link_ptr>)>);
    static sigrun_result frame_in(void* ctx, const sigrun_frame* frame) noexcept;
    void opened();
    void lost(const std::string& reason);
    bool enter() noexcept;  // pins the plugin's link for one call
    void leave() noexcept;
    void close_raw();
    std::shared_ptr<link_handler> handler() const;
    void start_op(const std::function<sigrun_result(sigrun_op)>& start, op_callback done);

    static constexpr std::uint32_t k_closing = 1u << 31;

    plugin_host& host_;
    std::shared_ptr<instance> protocol_;
    const sigrun_link_ops* ops_ = nullptr;
    std::string name_;
    protocol_traffic* traffic_;
    bool foreign_ = false;
    sigrun_sink sink_{};
    sigrun_link* raw_ = nullptr;  // set before open_, freed by close
    std::atomic<bool> open_{false};
    std::atomic<bool> owner_closed_{false};
    std::atomic<bool> raw_closed_{false};
    std::atomic<bool> gone_{false};
    std::atomic<std::uint32_t> users_{0};  // calls running in the plugin, and k_closing
    std::atomic<sigrun_result> why_{SIGRUN_OK};
    mutable std::mutex handler_mutex_;
    std::weak_ptr<link_handler> handler_;
    std::shared_ptr<void> context_;
    std::string auth_;
    link_ptr self_;  // while open
};

/// Where to dial.
struct dial_target {
    std::string uri;      // scheme chooses nothing here: `protocol` is the instance to use
    std::string profile;  // "" or "rustci"
    std::string options;  // JSON object or empty
};
/// Opens a link with this protocol instance; `done` runs once, on any thread. Deadline: the plugin's connect_timeout.
void dial(plugin_host& host, const std::shared_ptr<instance>& protocol, const dial_target& target,
          std::weak_ptr<link_handler> handler, std::function<void(result<link_ptr>)> done);

/// The protocol instance that serves this URI's scheme, or a problem that lists the schemes known here.
result<std::shared_ptr<instance>> protocol_for_uri(plugin_host& host, std::string_view uri);

}  // namespace sigrun
