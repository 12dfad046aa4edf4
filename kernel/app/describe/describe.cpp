#include "kernel/app/describe/describe.hpp"

#include <boost/json.hpp>

#include <iostream>
#include <string_view>

namespace sigrun {
namespace {

namespace json = boost::json;

// CLI11 has the type and what a choice allows in one text: "TEXT:{table,json}".
json::array choices_of(std::string_view type) {
    json::array choices;
    const auto begin = type.find(":{");
    const auto end = type.rfind('}');
    if (begin == std::string_view::npos || end == std::string_view::npos) return choices;
    std::string_view list = type.substr(begin + 2, end - begin - 2);
    for (;;) {
        const auto comma = list.find(',');
        choices.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) return choices;
        list.remove_prefix(comma + 1);
    }
}

json::object describe(const CLI::Option& option) {
    json::array names;
    for (const auto& name : option.get_snames()) names.emplace_back("-" + name);
    for (const auto& name : option.get_lnames()) names.emplace_back("--" + name);
    const std::string type = option.get_type_name();
    const bool flag = option.get_items_expected_max() == 0;
    return {{"names", std::move(names)},
            {"name", option.get_positional() ? option.get_name(true) : ""},
            {"type", flag ? "" : type.substr(0, type.find(':'))},
            {"choices", flag ? json::array() : choices_of(type)},
            {"default", flag ? "" : option.get_default_str()},
            {"description", option.get_description()},
            {"flag", flag},
            {"many", option.get_items_expected_max() > 1},
            {"required", option.get_required()}};
}

json::object describe(const CLI::App& app) {
    json::array options, positionals, commands;
    for (const CLI::Option* option : app.get_options()) {
        if (option->get_group().empty()) continue;
        (option->get_positional() ? positionals : options).emplace_back(describe(*option));
    }
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App* s) { return !s->get_group().empty(); }))
        commands.emplace_back(describe(*sub));
    json::array aliases;
    for (const auto& alias : app.get_aliases()) aliases.emplace_back(alias);
    return {{"name", app.get_name()},
            {"aliases", std::move(aliases)},
            {"description", app.get_description()},
            {"footer", app.get_footer()},
            {"options", std::move(options)},
            {"positionals", std::move(positionals)},
            {"commands", std::move(commands)},
            {"takes_command", app.get_prefix_command()}};
}

}  // namespace

std::string describe_command_line(const CLI::App& app) { return json::serialize(describe(app)); }

bool described(const CLI::App& app, int argc, char** argv) {
    if (argc != 2 || std::string_view(argv[1]) != k_describe_argument) return false;
    std::cout << describe_command_line(app) << "\n";
    return true;
}

}  // namespace sigrun
