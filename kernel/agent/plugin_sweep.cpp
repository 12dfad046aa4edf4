#include "kernel/agent/plugin_sweep.hpp"

#include "kernel/log/loggers.hpp"

#include <algorithm>
#include <memory>

namespace sigrun {
namespace {

bool only_of(const plugin_info& p, const std::vector<std::string_view>& kinds) {
    bool any = false;
    for (const auto& c : p.components) {
        if (c.instances.empty()) continue;
        if (std::find(kinds.begin(), kinds.end(), c.kind) == kinds.end()) return false;
        any = true;
    }
    return any;
}

// One walk; kept alive by the reload it waits for.
struct sweep : std::enable_shared_from_this<sweep> {
    explicit sweep(plugin_host& h) : host(h) {}

    void next() {
        if (looked_at.size() == names.size()) return done(looked_at);
        host.reload(names[looked_at.size()], [self = shared_from_this()](result<reload_report> r) {
            self->note(std::move(r));
            self->next();
        });
    }
    void note(result<reload_report> r) {
        const auto& asked = names[looked_at.size()];
        if (r && r->changed)
            SIGRUN_LOG(logs::plugin, info, r->id, ": ", r->old_version, " -> ", r->new_version, " (generation ",
                       r->new_generation, ")");
        else if (r)
            SIGRUN_LOG(logs::plugin, debug, r->id, ": its file holds what runs already");
        else
            SIGRUN_LOG(logs::plugin, warning, asked, " was not replaced: ", r.error().text());
        looked_at.push_back({r ? r->id : asked, std::move(r)});
    }

    plugin_host& host;
    std::vector<std::string> names;
    std::vector<swept_plugin> looked_at;
    std::function<void(const std::vector<swept_plugin>&)> done;
};

}  // namespace

void sweep_plugins(plugin_host& host, const std::string& name, const std::vector<std::string_view>& kinds,
                   std::function<void(const std::vector<swept_plugin>&)> done) {
    auto walk = std::make_shared<sweep>(host);
    walk->done = std::move(done);
    if (!name.empty()) walk->names.push_back(name);
    for (const auto& p : host.plugins())
        if (name.empty() && p.active && !p.pinned && only_of(p, kinds)) walk->names.push_back(p.id);
    walk->next();
}

json::array to_json(const std::vector<swept_plugin>& all) {
    json::array out;
    for (const auto& [id, outcome] : all) {
        if (!outcome) {
            out.push_back(json::object{
                {"id", id},
                {"error", {{"code", to_string(outcome.error().code)}, {"message", outcome.error().text()}}}});
            continue;
        }
        if (!outcome->changed && all.size() > 1) continue;
        out.push_back(
            json::object{{"id", id},
                         {"changed", outcome->changed},
                         {"old", {{"version", outcome->old_version}, {"generation", outcome->old_generation}}},
                         {"new", {{"version", outcome->new_version}, {"generation", outcome->new_generation}}}});
    }
    return out;
}

}  // namespace sigrun
