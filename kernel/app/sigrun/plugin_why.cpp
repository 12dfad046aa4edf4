// sigrun plugin why|rm|pin
#include "kernel/app/sigrun/lists.hpp"
#include "kernel/app/sigrun/plugin_commands.hpp"

#include <sigrun/cpp/text.hpp>

#include <cmath>

namespace sigrun::cli {
namespace {

std::string generation_text(const json::object& o) {
    return sdk::concat(text_or(o, "version"), " (generation ", number_or<std::uint64_t>(o, "generation", 0), ")");
}

std::string newest_text(const json::object& plugin) {
    if (bool_or(plugin, "file_gone", false)) return "Its file is gone; what was loaded from it runs on.\n";
    const json::object* newest = object_or_null(plugin, "newest");
    if (!newest) return text_or(plugin, "state") == "rejected" ? "" : "Its file holds what runs.\n";
    std::string out = "Its file holds ";
    out += text_or(*newest, "version").empty() ? std::string("something else")
                                               : "version " + std::string(text_or(*newest, "version"));
    if (auto hash = text_or(*newest, "sha256"); !hash.empty()) out += sdk::concat(" (", hash.substr(0, 12), ")");
    const auto reason = text_or(*newest, "reason");
    const std::string age = age_text(number_or<double>(*newest, "age_s", 0));
    if (reason.empty()) return out + sdk::concat(", which is on its way in: ", text_or(*newest, "state"), ".\n");
    return out + sdk::concat(", refused ", age, " ago: ", reason, "\n");
}

std::string why_text(const json::object& plugin, std::uint64_t only) {
    const auto state = text_or(plugin, "state");
    std::string out = sdk::concat(text_or(plugin, "id"), " ", generation_text(plugin), " is ",
                                  state == "probation" ? "on probation" : state, " for ",
                                  age_text(number_or<double>(plugin, "age_s", 0)),
                                  bool_or(plugin, "pinned", false) ? ", and pinned" : "", ".\n");
    if (state == "rejected") out += sdk::concat(text_or(plugin, "reason"), "\n");
    if (!only) out += newest_text(plugin);
    std::size_t shown = 0;
    if (const json::array* old = array_or_null(plugin, "retiring"))
        for (const auto& item : *old) {
            const json::object* o = item.if_object();
            if (!o || (only && number_or<std::uint64_t>(*o, "generation", 0) != only)) continue;
            ++shown;
            out +=
                sdk::concat(generation_text(*o), " is ", text_or(*o, "state"), " for ",
                            age_text(number_or<double>(*o, "age_s", 0)), "; held by ", text_or(*o, "held_by"), ":\n");
            if (const json::array* holds = array_or_null(*o, "holds"))
                for (const auto& hold : *holds)
                    if (hold.is_string()) out += sdk::concat("  ", std::string_view(hold.get_string()), "\n");
        }
    if (!shown) out += "No older version is left.\n";
    return out;
}

}  // namespace

std::string age_text(double seconds) {
    if (seconds < 120) return std::to_string(std::lround(seconds)) + " s";
    if (seconds < 7200) return std::to_string(std::lround(seconds / 60)) + " min";
    return std::to_string(std::lround(seconds / 3600)) + " h";
}

json::object ask_about_plugin(context& ctx, std::string_view method, const json::object& params,
                              const std::string& name) {
    try {
        return ctx.daemon().call_object(method, params);
    } catch (const failure& f) {
        if (f.what_happened().code != errc::not_found) throw;
        throw not_found_among(ctx, f.what_happened(), name, "plugin", "plugins.list", "id");
    }
}

int why_plugin(context& ctx, const std::string& name) {
    const auto hash = name.find('#');
    const std::string plugin_name = name.substr(0, hash);
    std::uint64_t generation = 0;
    if (hash != name.npos) {
        const std::string digits = name.substr(hash + 1);
        if (digits.empty() || digits.size() > 18 || digits.find_first_not_of("0123456789") != digits.npos)
            throw failure(bad_value("plugin", "ID or ID#GENERATION", "\"" + name + "\""));
        generation = std::stoull(digits);
    }
    const json::object plugin = ask_about_plugin(ctx, "plugins.get", {{"id", plugin_name}}, plugin_name);
    context::print(ctx.json() ? json::serialize(plugin) + "\n" : why_text(plugin, generation));
    return k_ok;
}

int remove_plugin(context& ctx, const std::string& name, bool force) {
    const json::object done = ask_about_plugin(ctx, "plugins.remove", {{"id", name}, {"force", force}}, name);
    if (ctx.json()) {
        context::print(json::serialize(done) + "\n");
        return k_ok;
    }
    const auto file = text_or(done, "file");
    context::print(name + " is out of service" +
                   (file.empty() ? std::string("\n") : sdk::concat("; its file is now ", file, "\n")));
    return k_ok;
}

int pin_plugin(context& ctx, const std::string& name, bool pinned) {
    const json::object plugin = ask_about_plugin(ctx, "plugins.pin", {{"id", name}, {"pinned", pinned}}, name);
    if (ctx.json())
        context::print(json::serialize(plugin) + "\n");
    else
        context::print(sdk::concat(text_or(plugin, "id"), " ", text_or(plugin, "version"),
                                   pinned ? " is pinned: it stays as it is\n" : " is not pinned any more\n"));
    return k_ok;
}

}  // namespace sigrun::cli
