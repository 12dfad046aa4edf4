// sigrun/cpp/host.hpp: the host as a plugin sees it: log, buffers, ops, threads. Cheap to copy; [any] throughout.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/cpp/text.hpp>
#include <sigrun/host.h>

#include <cstring>
#include <utility>

namespace sigrun::sdk {

/// The services of one host, looked up once. A missing required service, or one that is too short, throws failure.
class host {
public:
    host() = default;
    explicit host(const sigrun_host* abi)
        : abi_(abi),
          log_(service<sigrun_svc_log>(SIGRUN_SVC_LOG)),
          buffer_(service<sigrun_svc_buffer>(SIGRUN_SVC_BUFFER)),
          sched_(service<sigrun_svc_sched>(SIGRUN_SVC_SCHED)) {
        // By the last slot of each that this layer uses: an older host's table may end before it.
        if (!SIGRUN_HAS(log_, write) || !SIGRUN_HAS(buffer_, set_len) || !SIGRUN_HAS(sched_, thread_leave))
            throw failure(SIGRUN_E_UNSUPPORTED, "the host lacks one of the services log/1, buffer/1, sched/1");
    }

    const sigrun_host* abi() const noexcept { return abi_; }
    const sigrun_svc_buffer* buffers() const noexcept { return buffer_; }
    const sigrun_svc_sched* sched() const noexcept { return sched_; }

    /// A service by id, or null.
    template <class Table>
    const Table* service(std::string_view id) const noexcept {
        return static_cast<const Table*>(abi_->get_service(abi_, str(id)));
    }
    /// The same, or null if the host's table ends before the slot `last`, e.g. &sigrun_svc_call::end.
    template <class Table, class Slot>
    const Table* service(std::string_view id, Slot Table::*last) const noexcept {
        const auto* table = service<Table>(id);
        if (!table) return nullptr;
        const auto end = reinterpret_cast<const char*>(&(table->*last) + 1) - reinterpret_cast<const char*>(table);
        return table->struct_size >= static_cast<std::uint64_t>(end) && table->*last ? table : nullptr;
    }

    bool logs(std::uint32_t level) const noexcept { return log_ && log_->level(abi_) >= level; }
    template <class... Parts>
    void log(std::uint32_t level, const Parts&... parts) const {
        if (!logs(level)) return;
        auto text = concat(parts...);
        log_->write(abi_, level, str(text), nullptr, 0);
    }

    void complete(sigrun_op op, sigrun_result result, sigrun_buf* out = nullptr) const noexcept {
        if (op) abi_->complete(abi_, op, result, out);
    }
    /// Completes with a copy of `text` as the op's buffer.
    void complete_text(sigrun_op op, sigrun_result result, std::string_view text) const noexcept {
        complete(op, result, make_buf(text));
    }

    /// A new buffer holding a copy of `content` (one reference), or null when out of memory.
    sigrun_buf* make_buf(std::string_view content) const noexcept {
        sigrun_buf* buf = buffer_->create(abi_, content.size());
        if (!buf) return nullptr;
        void* p = nullptr;
        buffer_->view(buf, &p, nullptr, nullptr);
        if (!content.empty()) std::memcpy(p, content.data(), content.size());
        buffer_->set_len(buf, content.size());
        return buf;
    }
    std::string_view content(sigrun_buf* buf) const noexcept {
        if (!buf) return {};
        void* p = nullptr;
        std::uint64_t n = 0;
        buffer_->view(buf, &p, &n, nullptr);
        return {static_cast<const char*>(p), static_cast<std::size_t>(n)};
    }

private:
    const sigrun_host* abi_ = nullptr;
    const sigrun_svc_log* log_ = nullptr;
    const sigrun_svc_buffer* buffer_ = nullptr;
    const sigrun_svc_sched* sched_ = nullptr;
};

/// Owns one reference to a host buffer.
class buffer {
public:
    buffer() = default;
    buffer(const host& h, std::string_view content) : svc_(h.buffers()), buf_(h.make_buf(content)) {
        if (!buf_) throw failure(SIGRUN_E_NOMEM, "out of memory");
    }
    /// Shares `borrowed` (adds a reference).
    static buffer share(const host& h, sigrun_buf* borrowed) noexcept {
        buffer b;
        b.svc_ = h.buffers();
        b.buf_ = borrowed;
        if (borrowed) b.svc_->retain(borrowed);
        return b;
    }
    buffer(buffer&& o) noexcept : svc_(o.svc_), buf_(std::exchange(o.buf_, nullptr)) {}
    buffer& operator=(buffer&& o) noexcept {
        std::swap(svc_, o.svc_);
        std::swap(buf_, o.buf_);
        return *this;
    }
    ~buffer() {
        if (buf_) svc_->release(buf_);
    }
    sigrun_buf* get() const noexcept { return buf_; }
    sigrun_buf* release() noexcept { return std::exchange(buf_, nullptr); }
    std::string_view content() const noexcept {
        if (!buf_) return {};
        void* p = nullptr;
        std::uint64_t n = 0;
        svc_->view(buf_, &p, &n, nullptr);
        return {static_cast<const char*>(p), static_cast<std::size_t>(n)};
    }

private:
    const sigrun_svc_buffer* svc_ = nullptr;
    sigrun_buf* buf_ = nullptr;
};

/// Owns the duty to complete one op. Destroyed uncompleted, it completes with INTERNAL, so nobody waits for ever.
class op {
public:
    op() = default;
    op(host h, sigrun_op token) noexcept : host_(h), token_(token) {}
    op(op&& o) noexcept : host_(o.host_), token_(std::exchange(o.token_, 0)) {}
    op& operator=(op&& o) noexcept {
        std::swap(host_, o.host_);
        std::swap(token_, o.token_);
        return *this;
    }
    ~op() {
        if (token_) host_.complete_text(token_, SIGRUN_E_INTERNAL, "the plugin dropped an operation");
    }
    explicit operator bool() const noexcept { return token_ != 0; }
    sigrun_op token() const noexcept { return token_; }
    void ok() noexcept { host_.complete(std::exchange(token_, 0), SIGRUN_OK); }
    void ok(std::string_view text) noexcept { host_.complete_text(std::exchange(token_, 0), SIGRUN_OK, text); }
    void fail(sigrun_result result, std::string_view text) noexcept {
        host_.complete_text(std::exchange(token_, 0), result, text);
    }
    /// The starting call failed after all: the op is void and must not be completed.
    void forget() noexcept { token_ = 0; }

private:
    host host_;
    sigrun_op token_ = 0;
};

/// Registers the current thread with the host for its lifetime. The first object in a plugin thread's function.
class thread_scope {
public:
    thread_scope(const host& h, std::string_view name) : host_(h) {
        host_.sched()->thread_enter(host_.abi(), str(name), &token_);
    }
    thread_scope(const thread_scope&) = delete;
    thread_scope& operator=(const thread_scope&) = delete;
    ~thread_scope() { host_.sched()->thread_leave(host_.abi(), token_); }

private:
    host host_;
    std::uint64_t token_ = 0;
};

}  // namespace sigrun::sdk
