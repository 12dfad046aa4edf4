// A fleet of N runners for benchmarks: real balancer plugins, 40 kinds of machines, places 1 to 8, and
// machine documents of about 120 facts.
#pragma once

#include "kernel/select/requirement.hpp"
#include "kernel/select/selector.hpp"

#include <sigrun/cpp/fleet_view.hpp>
#include <sigrun/cpp/mock_host.hpp>

#include <dlfcn.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace sigrun::bench {

inline std::shared_ptr<instance> plugin_balancer(const std::string& name) {
    static sdk::mock_host host;
    const std::string file = std::string(SIGRUN_BUILD_DIR) + "/plugins/balancers/" + name + ".so";
    void* library = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(::dlerror());
    auto* get = reinterpret_cast<decltype(&sigrun_plugin_entry_v1)>(::dlsym(library, SIGRUN_ENTRY_SYMBOL));
    const sigrun_hello hello{sizeof hello, SIGRUN_ABI_MAJOR, SIGRUN_ABI_MINOR, 0, sdk::str("bench"), sdk::str("1")};
    const sigrun_entry* entry = get(&hello);
    sdk::mock::config config(entry->components[0], {});
    sigrun_instance* made = nullptr;
    if (entry->create(host.abi(), sdk::str(name), config.abi(), &made, nullptr) != SIGRUN_OK)
        throw std::runtime_error("cannot create " + name);
    return std::make_shared<instance>(nullptr, name, "sigrun." + name, name, SIGRUN_KIND_BALANCER, made);
}

/// What a selector hands to a balancer, kept by a balancer that picks nothing.
struct captured_view {
    sigrun_view view{};
    std::vector<std::uint64_t> pages;
};
inline captured_view& captured() {
    static captured_view c;
    return c;
}
inline std::shared_ptr<instance> capturing_balancer() {
    static sigrun_balancer table{};
    table.struct_size = sizeof table;
    table.abi = 1;
    table.pick = [](void*, const sigrun_view* view, const sigrun_req*, std::uint32_t, const std::uint64_t* pages,
                    sigrun_pick*) -> std::uint32_t {
        captured().view = *view;
        captured().pages.assign(pages, pages + sdk::page_words(*view));
        return 0;
    };
    static sigrun_instance abi{};
    abi.struct_size = sizeof abi;
    abi.get_interface = [](sigrun_instance*, sigrun_str) -> const void* { return &table; };
    abi.destroy = [](sigrun_instance*) {};
    return std::make_shared<instance>(nullptr, "capture", "bench.capture", "capture", SIGRUN_KIND_BALANCER, &abi);
}

inline sheet_ptr document(int kind) {
    std::vector<fact> facts;
    auto add = [&](std::string key, json::value v, fact_volatility volatility = fact_volatility::boot) {
        fact f;
        f.key = std::move(key);
        f.value = std::move(v);
        f.volatility = volatility;
        facts.push_back(std::move(f));
    };
    add("host.arch", kind % 5 ? "x86_64" : "aarch64");
    add("cpu.effective_cores", 1 << kind % 6);
    add("memory.effective_bytes", (std::uint64_t{1} << 30) * static_cast<std::uint64_t>(4 << kind % 5));
    add("kernel.release", "6.1.0-18-amd64");
    add("gpu", kind % 4 ? json::value(json::array{})
                        : json::value(json::array{{{"model", "A"}, {"memory_bytes", 85899345920}}}));
    add("tool", json::array{{{"name", "docker"}, {"version", "24.0.7"}}, {{"name", "git"}, {"version", "2.39.2"}}});
    for (int i = 0; i < 114; ++i) add("filler.key_" + std::to_string(i), i);
    return fact_sheet::of(capability_document(std::move(facts)));
}

struct fleet {
    std::unique_ptr<selector> index;
    std::vector<slot_ref> slots;

    /// `only`: load just this balancer (empty: round_robin and least_connections). Levels are kept only where least_connections is loaded.
    explicit fleet(std::uint32_t n, const std::string& only = {}) {
        std::vector<std::shared_ptr<instance>> balancers;
        if (only.empty())
            for (const char* name : {"round_robin", "least_connections"}) balancers.push_back(plugin_balancer(name));
        else
            balancers.push_back(plugin_balancer(only));
        balancers.push_back(capturing_balancer());
        selector::options o;
        o.max_runners = n;
        o.default_balancer = balancers.front()->name();
        o.protect.slow_start = {};  // they have been there for a while
        index = selector::create(o, std::move(balancers)).value();
        std::vector<sheet_ptr> documents;
        for (int kind = 0; kind < 40; ++kind) documents.push_back(document(kind));
        const char* zones[] = {"eu", "us"};
        for (std::uint32_t i = 0; i < n; ++i) {
            runner_profile p;
            p.facts = documents[i % 40];
            p.labels = std::make_shared<const label_map>(label_map{{"zone", zones[i / 40 % 2]}});
            p.protocols = static_cast<protocol_mask>(i % 3 ? 0b0101 : 0b0100);
            p.places = static_cast<std::uint16_t>(1 << i % 4);
            slots.push_back(index->add(p).value());
            index->set_open(slots.back(), true);
        }
    }
};

constexpr const char* k_requirement =
    "os.arch == \"x86_64\" && cpu.effective_cores >= 4 && memory.effective_bytes >= 8GiB && label.zone in "
    "[\"eu\"] && "
    "any(t in tool, t.name == \"docker\" && t.version >= v\"24\")";

}  // namespace sigrun::bench
