// sigrun plugin new KIND NAME: a plugin project that builds, tests and loads as it is.
#include "kernel/app/sigrun/context.hpp"
#include "kernel/app/sigrun/project_template.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <filesystem>

namespace sigrun::cli {
namespace {

struct typed_words {
    new_project project;
    std::string template_dir;
};

/// Where the SDK is installed with the programs; the build tree has a link there.
std::string default_template_dir(const surroundings& around) {
    const auto slash = around.program.rfind('/');
    const std::string bin = slash == std::string::npos ? "." : around.program.substr(0, slash);
    return std::filesystem::path(bin + "/../share/sigrun/template").lexically_normal().string();
}

/// Where the project finds the SDK, if CMake does not look there by itself.
std::string prefix_option(const std::string& template_dir) {
    const std::filesystem::path at = std::filesystem::absolute(template_dir).lexically_normal();
    const auto folder = at.has_filename() ? at : at.parent_path();
    const auto share = folder.parent_path().parent_path();  // PREFIX/share/sigrun/template
    const auto prefix = share.parent_path();
    if (share.filename() != "share" || prefix == "/usr" || prefix == "/usr/local") return {};
    if (!std::filesystem::exists(prefix / "include/sigrun/plugin.h")) return {};
    return " -DCMAKE_PREFIX_PATH=" + prefix.string();
}

int make_new(context& ctx, const typed_words& typed) {
    new_project what = typed.project;
    if (what.lang == "c++") what.lang = "cpp";
    if (what.folder.empty()) what.folder = what.name;
    if (what.id.empty()) {
        what.id = "com.example." + what.name;
        std::replace(what.id.begin(), what.id.end(), '_', '-');
    }
    const auto from = typed.template_dir.empty() ? default_template_dir(ctx.around) : typed.template_dir;
    const auto files = need(make_project(from, what));
    if (ctx.json()) {
        context::print(
            json::serialize(json::object{
                {"folder", what.folder}, {"id", what.id}, {"files", json::array(files.begin(), files.end())}}) +
            "\n");
        return k_ok;
    }
    std::string text = what.folder + ": " + what.kind + " in " + what.lang + "\n";
    for (const auto& file : files) text += "  " + file + "\n";
    text += "next: cd " + what.folder + " && cmake -B build" + prefix_option(from) +
            " && cmake --build build && ctest --test-dir build; see README.md\n";
    context::print(text);
    return k_ok;
}

}  // namespace

void add_plugin_new_command(CLI::App& group, context& ctx) {
    auto typed = std::make_shared<typed_words>();
    auto* app = group.add_subcommand("new", "Make a plugin project from the SDK's templates");
    app->add_option("kind", typed->project.kind, "protocol, balancer, probe or executor")
        ->required()
        ->type_name("KIND");
    app->add_option("name", typed->project.name, "Its file and component: a-z, 0-9, _")->required()->type_name("NAME");
    app->add_option("--lang", typed->project.lang, "c, cpp or rust")->required()->type_name("LANG");
    app->add_option("--id", typed->project.id, "The plugin's id (default: com.example.NAME)")->type_name("ID");
    app->add_option("--dir", typed->project.folder, "The new folder (default: NAME)")->type_name("DIR");
    app->add_option("--template-dir", typed->template_dir, "Templates (default: the installed SDK's)")
        ->type_name("DIR");
    app->footer("Example: sigrun plugin new probe battery --lang rust");
    app->callback([&ctx, typed] { ctx.action = [&ctx, typed] { return make_new(ctx, *typed); }; });
}

}  // namespace sigrun::cli
