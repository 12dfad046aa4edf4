// load_plugins FOLDER [INI-FILE]: loads, starts and unloads every plugin of a folder, and prints what came of
// it as JSON. Exit status: 0 all plugins active, 1 some rejected, 2 the configuration or a start failed.
#include "kernel/log/log.hpp"
#include "kernel/plugin/plugin_host.hpp"

#include <boost/json.hpp>

#include <iostream>

namespace json = boost::json;

namespace {

json::value describe(const std::vector<sigrun::plugin_info>& plugins) {
    json::array out;
    for (const auto& plugin : plugins) {
        json::array components;
        for (const auto& component : plugin.components)
            components.push_back({{"id", component.id},
                                  {"kind", component.kind},
                                  {"options", component.options.size()},
                                  {"instances", json::value_from(component.instances)}});
        out.push_back({{"id", plugin.id},
                       {"version", plugin.version},
                       {"file", plugin.file},
                       {"sha256", plugin.sha256},
                       {"abi", plugin.abi},
                       {"active", plugin.active},
                       {"reason", plugin.reason},
                       {"components", std::move(components)}});
    }
    return out;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: load_plugins FOLDER [INI-FILE]\n";
        return 2;
    }
    auto config = sigrun::settings::load({.file = argc > 2 ? argv[2] : "", .environment = false});
    if (!config) {
        std::cerr << config.error().text() << '\n';
        return 2;
    }
    sigrun::metrics metrics;
    sigrun::plugin_host host({.plugin_dir = argv[1], .program = "load_plugins"}, *config, metrics);
    for (auto step : {&sigrun::plugin_host::load_all, &sigrun::plugin_host::start_all})
        if (auto done = (host.*step)(); !done) {
            std::cerr << done.error().text() << '\n';
            return 2;
        }
    const auto plugins = host.plugins();
    std::cout << describe(plugins) << '\n';
    host.shutdown();
    for (const auto& plugin : plugins)
        if (!plugin.active) return 1;
    return 0;
}
