// sigrun/cpp/broker.hpp: another plugin's interface as a C++ plugin uses it. See sigrun/broker.h for the rules.
//
//   followed<line_commands> line_{host, "line", LINE_COMMANDS, [this] { changed(); }};   // in start()
//   auto now = line_.acquire();                     // in changed(): empty if there is no provider
//   if (now) now.table()->add(now.instance(), ...);
#pragma once

#include <sigrun/broker.h>
#include <sigrun/cpp/host.hpp>

#include <functional>
#include <utility>

namespace sigrun::sdk {

/// A table on loan; its provider stays loaded for the lease's life.
template <class Table>
class lease {
public:
    lease() = default;
    lease(const sigrun_host* host, const sigrun_svc_broker* broker, const sigrun_grant& grant) noexcept
        : host_(host), broker_(broker), grant_(grant) {}
    lease(lease&& o) noexcept
        : host_(o.host_), broker_(std::exchange(o.broker_, nullptr)), grant_(std::exchange(o.grant_, {})) {}
    lease& operator=(lease&& o) noexcept {
        std::swap(host_, o.host_);
        std::swap(broker_, o.broker_);
        std::swap(grant_, o.grant_);
        return *this;
    }
    ~lease() {
        if (broker_) broker_->release(host_, grant_.lease);
    }
    explicit operator bool() const noexcept { return broker_ != nullptr; }
    const Table* table() const noexcept { return static_cast<const Table*>(grant_.table); }
    sigrun_instance* instance() const noexcept { return grant_.instance; }
    std::uint64_t generation() const noexcept { return grant_.generation; }

private:
    const sigrun_host* host_ = nullptr;
    const sigrun_svc_broker* broker_ = nullptr;
    sigrun_grant grant_{};
};

/// Follows one interface until it is destroyed, on the control thread. Throws failure if the host has no broker.
template <class Table>
class followed {
public:
    /// `changed` runs on the control thread and must not throw.
    followed(const host& h, std::string_view provider, std::string_view interface_id, std::function<void()> changed)
        : host_(h.abi()),
          broker_(h.template service<sigrun_svc_broker>(SIGRUN_SVC_BROKER)),
          changed_(std::move(changed)) {
        if (!broker_) throw failure(SIGRUN_E_UNSUPPORTED, "this host has no service sigrun.host.broker/1");
        error_text error;
        auto call = [](void* self) noexcept { static_cast<followed*>(self)->changed_(); };
        if (auto r = broker_->follow(host_, str(provider), str(interface_id), call, this, &id_, &error.abi); r < 0)
            throw failure(r, std::string(error.text()));
    }
    followed(const followed&) = delete;
    followed& operator=(const followed&) = delete;
    ~followed() { broker_->unfollow(host_, id_); }

    lease<Table> acquire() const noexcept {
        sigrun_grant grant{};
        grant.struct_size = sizeof grant;
        if (broker_->acquire(host_, id_, &grant) < 0) return {};
        return {host_, broker_, grant};
    }

private:
    const sigrun_host* host_;
    const sigrun_svc_broker* broker_;
    std::function<void()> changed_;
    std::uint64_t id_ = 0;
};

}  // namespace sigrun::sdk
