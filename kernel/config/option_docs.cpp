#include "kernel/config/option_markdown.hpp"
#include "kernel/config/option_value.hpp"
#include "kernel/config/settings.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <array>

namespace sigrun {
namespace {

std::string remark(const sigrun_opt& option) {
    std::string out = option_type_name(option);
    if (auto limits = option_limits(option); !limits.empty()) out += ", " + limits;
    if (option.flags & SIGRUN_OPT_REQUIRED) out += ", required";
    if (option.flags & SIGRUN_OPT_DEPRECATED) out += ", deprecated";
    if (option.flags & SIGRUN_OPT_HOT) out += ", hot";
    return out;
}

}  // namespace

std::string example_ini(std::span<const documented_section> sections) {
    std::string out;
    for (const auto& section : sections) {
        if (!out.empty()) out += '\n';
        if (!section.doc.empty()) out += "; " + section.doc + "\n";
        // "[instance http]  component = http:http" names the key that belongs to the heading.
        // A section that needs a value nobody can guess is written as a comment as a whole: the file must load as it is.
        // So is one that stands for many.
        const bool complete = section.heading.find(" NAME]") == std::string_view::npos && std::none_of(
            section.options.begin(), section.options.end(),
            [](const sigrun_opt& option) { return (option.flags & SIGRUN_OPT_REQUIRED) && !option.def.len; });
        const char* off = complete ? "" : ";";
        std::size_t close = section.heading.find(']');
        out += off + section.heading.substr(0, close == std::string::npos ? close : close + 1) + "\n";
        if (close != std::string::npos) {
            std::size_t key = section.heading.find_first_not_of(' ', close + 1);
            if (key != std::string::npos) out += off + section.heading.substr(key) + "\n";
        }
        for (const auto& option : section.options) {
            std::string_view def = sdk::view(option.def);
            out += sdk::concat("; ", sdk::view(option.doc), " (", remark(option), ")\n");
            out += sdk::concat(def.empty() ? ";" : off, sdk::view(option.key), " =", def.empty() ? "" : " ", def, "\n");
        }
    }
    return out;
}

std::string options_table(std::span<const documented_section> sections) {
    using row = std::array<std::string, 4>;
    std::string out;
    for (const auto& section : sections) {
        std::vector<row> rows{{"key", "type", "default", "meaning"}};
        for (const auto& option : section.options)
            rows.push_back({std::string(sdk::view(option.key)), remark(option), std::string(sdk::view(option.def)),
                            std::string(sdk::view(option.doc))});
        std::array<std::size_t, 3> width{};
        for (const auto& r : rows)
            for (std::size_t i = 0; i < width.size(); ++i) width[i] = std::max(width[i], r[i].size());
        if (!out.empty()) out += '\n';
        out += section.heading + "\n";
        if (!section.doc.empty()) out += section.doc + "\n";
        if (section.options.empty()) out += "  (no options)\n";
        for (const auto& r : rows) {
            if (section.options.empty()) break;
            for (std::size_t i = 0; i < width.size(); ++i)
                out += "  " + r[i] + std::string(width[i] - r[i].size(), ' ');
            out += "  " + r[3] + "\n";
        }
    }
    return out;
}

std::string options_markdown(std::span<const documented_section> sections) {
    auto escaped = [](std::string_view text) {
        std::string out;
        for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
        return out;
    };
    std::string out;
    for (const auto& section : sections) {
        if (!out.empty()) out += '\n';
        out += "### " + section.heading + "\n\n";
        if (section.options.empty()) {
            out += "No options.\n";
            continue;
        }
        out += "| key | type | default | meaning |\n|---|---|---|---|\n";
        for (const auto& option : section.options) {
            const std::string_view def = sdk::view(option.def);
            out += sdk::concat("| `", sdk::view(option.key), "` | ", escaped(remark(option)), " | ",
                               def.empty() ? "" : sdk::concat("`", escaped(def), "`"), " | ",
                               escaped(sdk::view(option.doc)), " |\n");
        }
    }
    return out;
}

}  // namespace sigrun
