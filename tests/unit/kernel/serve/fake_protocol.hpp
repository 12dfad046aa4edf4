// A protocol instance around a C table, as a plugin would hand it over: recognises one greeting and keeps
// what it is given.
#pragma once

#include "kernel/plugin/plugin_host.hpp"

#include <sigrun/cpp/text.hpp>
#include <sigrun/protocol.h>

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace sigrun::test {

struct accepted {
    int fd;
    std::uint64_t session;
    std::uint32_t flags, uid;
    std::string peer, local;
    sigrun_op lifetime;
};

class fake_protocol {
public:
    explicit fake_protocol(std::string name, std::string greeting)
        : name_(std::move(name)), greeting_(std::move(greeting)) {
        serve_.struct_size = sizeof serve_;
        serve_.recognise = [](sigrun_instance* i, sigrun_bytes first, std::uint32_t) noexcept {
            return of(i).recognise(sdk::view(first));
        };
        serve_.on_accept = [](sigrun_instance* i, const sigrun_accept* a, sigrun_op lifetime) noexcept {
            return of(i).take(*a, lifetime);
        };
        table_.struct_size = sizeof table_;
        table_.name = sdk::str(name_);
        table_.serve = &serve_;
        auto abi = std::make_shared<sigrun_instance>();
        abi->struct_size = sizeof *abi;
        abi->self = this;
        abi->get_interface = [](sigrun_instance* i, sigrun_str id) noexcept -> const void* {
            return sdk::view(id) == SIGRUN_KIND_PROTOCOL ? &of(i).table_ : nullptr;
        };
        abi->destroy = [](sigrun_instance*) noexcept {};
        // A listener that a test's fixture owns may let go of it later than the test.
        wrapped_ = {new instance(nullptr, name_, "test." + name_, name_, SIGRUN_KIND_PROTOCOL, abi.get()),
                    [abi](instance* wrapped) { delete wrapped; }};
    }
    ~fake_protocol() {
        for (const auto& a : connections_) ::close(a.fd);
    }
    const std::shared_ptr<instance>& wrapped() const { return wrapped_; }
    /// Waits for connection number `index`.
    accepted wait(std::size_t index = 0) {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, std::chrono::seconds(10), [&] { return connections_.size() > index; }))
            throw std::runtime_error(name_ + " got only " + std::to_string(connections_.size()) + " connections");
        return connections_[index];
    }
    std::size_t count() {
        std::lock_guard lock(mutex_);
        return connections_.size();
    }
    std::size_t asked() const { return asked_; }
    void refuse_all() { refuses_ = true; }
    /// Runs within each question whether first bytes are its own; set before there are connections.
    std::function<void()> when_asked;

private:
    static fake_protocol& of(sigrun_instance* i) { return *static_cast<fake_protocol*>(i->self); }
    sigrun_result recognise(std::string_view first) {
        ++asked_;
        if (when_asked) when_asked();
        auto n = std::min(first.size(), greeting_.size());
        if (first.substr(0, n) != std::string_view(greeting_).substr(0, n)) return SIGRUN_NOT_MINE;
        return n == greeting_.size() ? SIGRUN_OK : SIGRUN_NEED_MORE;
    }
    sigrun_result take(const sigrun_accept& a, sigrun_op lifetime) {
        if (refuses_) return SIGRUN_E_BUSY;
        std::lock_guard lock(mutex_);
        connections_.push_back({a.fd, a.session, a.flags, a.uid, std::string(sdk::view(a.peer)),
                                std::string(sdk::view(a.local)), lifetime});
        changed_.notify_all();
        return SIGRUN_OK;
    }

    std::string name_, greeting_;
    sigrun_serve serve_{};
    sigrun_protocol table_{};
    std::shared_ptr<instance> wrapped_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<accepted> connections_;
    std::atomic<std::size_t> asked_{0};
    std::atomic<bool> refuses_{false};
};

}  // namespace sigrun::test
