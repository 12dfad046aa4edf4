// A selector with the real balancer plugins (from the build tree) or with balancers written in a test.
#pragma once

#include "kernel/select/selector.hpp"
#include "unit/kernel/select/machine.hpp"

#include <sigrun/cpp/mock_host.hpp>

#include <dlfcn.h>

#include <functional>
#include <map>
#include <stdexcept>

namespace sigrun::test {

/// An instance of a plugin of the build tree; it stays loaded.
inline std::shared_ptr<instance> real_balancer(const std::string& name,
                                               const std::map<std::string, std::string>& options = {}) {
    static sdk::mock_host host;
    const std::string file = std::string(SIGRUN_BUILD_DIR) + "/plugins/balancers/" + name + ".so";
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(::dlerror());
    auto* get = reinterpret_cast<decltype(&sigrun_plugin_entry_v1)>(::dlsym(library, SIGRUN_ENTRY_SYMBOL));
    const sigrun_hello hello{sizeof hello, SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, sdk::str("test"), sdk::str("1")};
    const sigrun_entry* entry = get(&hello);
    sdk::mock::config config(entry->components[0], options);
    sdk::error_text error;
    sigrun_instance* made = nullptr;
    if (entry->create(host.abi(), sdk::str(name), config.abi(), &made, &error.abi) != SIGRUN_OK)
        throw std::runtime_error(std::string(error.text()));
    return std::make_shared<instance>(nullptr, name, "sigrun." + name, name, SIGRUN_KIND_BALANCER, made);
}

/// A balancer that does what the test says. The counters outlive it.
struct scripted {
    using pick_function =
        std::function<void(const sigrun_view&, const sigrun_req&, const std::uint64_t*, sigrun_pick&)>;
    struct counters {
        std::atomic<int> threads_open{0}, threads_seen{0}, snapshots{0}, feedback{0};
    };

    sigrun_instance abi{};  // first: the instance is the box
    sigrun_balancer table{};
    pick_function pick;
    std::shared_ptr<counters> counts = std::make_shared<counters>();

    static std::shared_ptr<instance> make(const std::string& name, pick_function pick,
                                          std::shared_ptr<counters> counts = nullptr, std::uint32_t caps = 0) {
        auto* box = new scripted;
        box->pick = std::move(pick);
        if (counts) box->counts = std::move(counts);
        box->abi.struct_size = sizeof box->abi;
        box->abi.self = box;
        box->abi.get_interface = [](sigrun_instance* i, sigrun_str) -> const void* {
            return &static_cast<scripted*>(i->self)->table;
        };
        box->abi.destroy = [](sigrun_instance* i) { delete static_cast<scripted*>(i->self); };
        box->table.struct_size = sizeof box->table;
        box->table.abi = 1;
        box->table.caps = caps;
        box->table.thread_init = [](sigrun_instance* i, std::uint32_t) -> void* {
            auto* self = static_cast<scripted*>(i->self);
            ++self->counts->threads_open;
            ++self->counts->threads_seen;
            return self;
        };
        box->table.thread_fini = [](sigrun_instance* i, void*) {
            --static_cast<scripted*>(i->self)->counts->threads_open;
        };
        box->table.on_snapshot = [](sigrun_instance* i, const sigrun_view*, const sigrun_delta*) -> sigrun_result {
            ++static_cast<scripted*>(i->self)->counts->snapshots;
            return SIGRUN_OK;
        };
        box->table.pick = [](void* tls, const sigrun_view* view, const sigrun_req* req, std::uint32_t n,
                             const std::uint64_t* pages, sigrun_pick* out) -> std::uint32_t {
            for (std::uint32_t i = 0; i < n; ++i)
                static_cast<scripted*>(tls)->pick(*view, req[i], pages + req[i].pred_pages_off, out[i]);
            return n;
        };
        box->table.done = [](void* tls, const sigrun_done*, std::uint32_t n) {
            static_cast<scripted*>(tls)->counts->feedback += static_cast<int>(n);
        };
        return std::make_shared<instance>(nullptr, name, "test." + name, name, SIGRUN_KIND_BALANCER, &box->abi);
    }
};
inline void propose_nothing(const sigrun_view&, const sigrun_req&, const std::uint64_t*, sigrun_pick& out) {
    out.n = 0;
}

inline std::unique_ptr<selector> make_selector(std::vector<std::shared_ptr<instance>> balancers,
                                               std::uint32_t max_runners = 10'000, const protection& protect = {}) {
    selector::options o;
    o.protect = protect;
    o.max_runners = max_runners;
    o.default_balancer = balancers.front()->name();
    return selector::create(o, std::move(balancers)).value();
}

inline runner_profile profile(const machine& m, std::uint16_t places = 1, protocol_mask protocols = 1,
                              double weight = 1.0) {
    runner_profile p;
    p.facts = m.facts();
    p.labels = m.labels();
    p.places = places;
    p.protocols = protocols;
    p.weight = static_cast<std::uint16_t>(weight * 1024);
    return p;
}
/// Adds and opens.
inline slot_ref join(selector& s, const runner_profile& p) {
    const slot_ref slot = s.add(p).value();
    s.set_open(slot, true);
    return slot;
}

}  // namespace sigrun::test
