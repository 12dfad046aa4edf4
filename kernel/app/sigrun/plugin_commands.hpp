// The parts of `sigrun plugin` that are more than a call and its answer.
#pragma once

#include "kernel/app/sigrun/context.hpp"
#include "kernel/base/json.hpp"

#include <string>
#include <vector>

namespace sigrun::cli {

struct install_wish {
    std::string file;
    std::string kind;      // "probe"; empty: what its components are
    std::string name;      // of the file in the folder, without .so; empty: as it is called
    bool at_once = false;  // without probation
};
/// Checks the file, puts it into the plugin folder of the daemon on this machine by rename, and has it loaded.
int install_plugin(context& ctx, const install_wish& wish);
/// What holds older generations, and why the newest file is not in use. `name` may end in "#GENERATION".
int why_plugin(context& ctx, const std::string& name);
int remove_plugin(context& ctx, const std::string& name, bool force);
int pin_plugin(context& ctx, const std::string& name, bool pinned);

/// A call about one plugin; for an unknown one the failure names the nearest.
json::object ask_about_plugin(context& ctx, std::string_view method, const json::object& params,
                              const std::string& name);
/// The line that tells what a reload did.
std::string reload_text(const json::object& answer);
/// What `sigrun plugin show` prints.
std::string plugin_details(const json::object& plugin, const terminal& where);
/// "3 s", "4 min".
std::string age_text(double seconds);

}  // namespace sigrun::cli
