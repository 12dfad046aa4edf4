// What can be asked and wanted of plugins.
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {
namespace {

double milliseconds(nanoseconds t) { return std::chrono::duration<double, std::milli>(t).count(); }

json::object component_json(const component_info& part, bool with_options) {
    static constexpr std::string_view types[] = {"",       "bool",   "int",  "float", "size", "duration",
                                                 "string", "choice", "list", "uri",   "path", "secret"};
    json::object o{{"id", part.id},
                   {"kind", part.kind},
                   {"doc", part.doc},
                   {"instances", json::array(part.instances.begin(), part.instances.end())}};
    if (!with_options) return o;
    json::array options;
    for (const auto& opt : part.options)
        options.push_back(json::object{{"key", sdk::view(opt.key)},
                                       {"type", opt.type < std::size(types) ? types[opt.type] : ""},
                                       {"default", sdk::view(opt.def)},
                                       {"doc", sdk::view(opt.doc)}});
    o["options"] = std::move(options);
    return o;
}

json::object plugin_json(const plugin_info& p, bool with_options) {
    json::array components, retiring;
    for (const auto& old : p.retiring)
        retiring.push_back(json::object{{"generation", old.generation},
                                        {"version", old.version},
                                        {"sha256", old.sha256},
                                        {"state", to_string(old.state)},
                                        {"held_by", old.held_by},
                                        {"holds", json::array(old.holds.begin(), old.holds.end())},
                                        {"age_s", old.age_s}});
    for (const auto& part : p.components) components.push_back(component_json(part, with_options));
    json::value newest(nullptr);
    if (p.newest)
        newest = json::object{{"version", p.newest->version},
                              {"sha256", p.newest->sha256},
                              {"state", to_string(p.newest->state)},
                              {"reason", p.newest->reason},
                              {"age_s", p.newest->age_s}};
    return {{"id", p.id},
            {"version", p.version},
            {"file", p.file},
            {"file_gone", p.file_gone},
            {"state", to_string(p.state)},
            {"age_s", p.age_s},
            {"pinned", p.pinned},
            {"reason", p.reason},
            {"last_good", p.last_good},
            {"signed_by", p.signed_by},
            {"crashes", p.crashes},
            {"quarantine", p.quarantine},
            {"sha256", p.sha256},
            {"generation", p.generation},
            {"newest", std::move(newest)},
            {"abi", p.abi},
            {"doc", p.doc},
            {"components", std::move(components)},
            {"retiring", std::move(retiring)}};
}

const plugin_info* named(const std::vector<plugin_info>& all, std::string_view name) {
    const plugin_info* found = nullptr;
    for (const auto& p : all) {
        const auto file = std::string_view(p.file).substr(p.file.rfind('/') + 1);
        const bool fits = p.id == name || file == name || file == std::string(name) + ".so" || p.file == name;
        if (fits && (!found || (!found->active && p.active))) found = &p;
    }
    return found;
}

void get_plugin(controller& c, std::string_view name, const call_ptr& call) {
    const auto all = c.plugins.plugins();
    if (const plugin_info* found = named(all, name))
        return void(call->last(json::serialize(plugin_json(*found, true))));
    call->fail({errc::not_found, "no such plugin", "id", "the id or file name of a plugin (see `sigrun plugin ls`)",
                "\"" + std::string(name) + "\""});
}

void reload_plugin(controller& c, const std::string& name, reload_options how, const call_ptr& call) {
    c.plugins.reload(name, how, [&c, name, call](result<reload_report> r) {
        const bool unknown = !r && r.error().code == errc::not_found;
        if (!unknown)
            c.numbers
                .get_counter("sigrun_plugin_reloads_total", "Replacements of plugins that were asked for, by outcome",
                             {{"plugin", r ? r->id : name},
                              {"outcome", !r           ? "refused"
                                          : r->changed ? "replaced"
                                                       : "unchanged"}})
                .add();
        if (!r) return void(call->fail(r.error()));
        call->last(
            json::serialize(json::object{{"id", r->id},
                                         {"changed", r->changed},
                                         {"old", {{"version", r->old_version}, {"generation", r->old_generation}}},
                                         {"new", {{"version", r->new_version}, {"generation", r->new_generation}}},
                                         {"prepared_ms", milliseconds(r->prepared)},
                                         {"swapped_ms", milliseconds(r->swapped)},
                                         {"probation_s", milliseconds(r->probation) / 1000},
                                         {"probation_ended", r->probation_ended}}));
    });
}

}  // namespace

void add_plugin_methods(router& r, controller& c) {
    r.add("plugins.list", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              json::array items;
              for (const auto& p : c.plugins.plugins()) items.push_back(plugin_json(p, false));
              call->last(json::serialize(
                  json::object{{"items", std::move(items)}, {"next", nullptr}, {"folder", c.plugins.plugin_dir()}}));
          }));
    r.add("plugins.get", plain({"id"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              get_plugin(c, text_or(o, "id"), call);
          }));
    r.add("plugins.reload",
          plain({"id", "probation"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto name = required_text(o, "id");
              if (!name) return void(call->fail(name.error()));
              auto probation = bool_param(o, "probation", true);
              if (!probation) return void(call->fail(probation.error()));
              reload_options how;
              how.probation = *probation;
              reload_plugin(c, *name, how, call);
          }));
    r.add("plugins.remove",
          plain({"id", "force"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto name = required_text(o, "id");
              if (!name) return void(call->fail(name.error()));
              auto force = bool_param(o, "force", false);
              if (!force) return void(call->fail(force.error()));
              c.plugins.remove(*name, *force, [call](result<std::string> aside) {
                  if (!aside) return void(call->fail(aside.error()));
                  call->last(json::serialize(json::object{{"removed", true}, {"file", *aside}}));
              });
          }));
    r.add("plugins.pin", plain({"id", "pinned"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
              auto name = required_text(o, "id");
              if (!name) return void(call->fail(name.error()));
              auto pinned = bool_param(o, "pinned", true);
              if (!pinned) return void(call->fail(pinned.error()));
              c.plugins.pin(*name, *pinned, [&c, name = *name, call](result<void> done) {
                  if (!done) return void(call->fail(done.error()));
                  get_plugin(c, name, call);
              });
          }));
}

}  // namespace sigrun
