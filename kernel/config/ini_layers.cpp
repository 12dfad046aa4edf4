#include "kernel/config/ini_layers.hpp"

#include <Poco/Exception.h>
#include <Poco/Util/IniFileConfiguration.h>
#include <Poco/Util/MapConfiguration.h>

#include <array>
#include <sstream>

extern char** environ;

namespace sigrun {
namespace {

constexpr int k_max_depth = 8;
constexpr int k_max_references = 10'000;  // of one configuration; keeps ${a}${a}... from growing without end

std::string upper_name(std::string_view section) {
    std::string out;
    for (char c : section) {
        bool lower = c >= 'a' && c <= 'z';
        bool kept = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        out += lower ? static_cast<char>(c - 'a' + 'A') : kept ? c : '_';
    }
    return out;
}

}  // namespace

ini_layers::ini_layers() : poco_(new Poco::Util::LayeredConfiguration) {}

config_section& ini_layers::section_for(const std::string& name, const std::string& origin) {
    auto [at, added] = index_.emplace(lower_case(name), sections_.size());
    if (added) sections_.push_back({name, origin, {}});
    return sections_[at->second];
}

result<void> ini_layers::add_text(std::string_view ini_text, const std::string& file_name) {
    SIGRUN_TRY(scanned, scan_ini(ini_text, file_name));
    try {
        std::istringstream in(scanned.clean_text);
        Poco::AutoPtr<Poco::Util::IniFileConfiguration> layer(new Poco::Util::IniFileConfiguration(in));
        poco_->add(layer, --priority_);
    } catch (const Poco::Exception& e) {
        return make_problem(errc::invalid, file_name + ": " + e.displayText());
    }
    for (const auto& section : scanned.sections) {
        auto& merged = section_for(section.name, file_name + ":" + std::to_string(section.line));
        for (const auto& key : section.keys) merged.values[key.key].origin = file_name + ":" + std::to_string(key.line);
    }
    return {};
}

result<void> ini_layers::add_value(const std::string& section, const std::string& key, const std::string& value,
                                   const std::string& origin) {
    auto& merged = section_for(section, origin);
    merged.values[key].origin = origin;
    Poco::AutoPtr<Poco::Util::MapConfiguration> layer(new Poco::Util::MapConfiguration);
    layer->setString(merged.name + "." + key, value);
    poco_->add(layer, --priority_);
    return {};
}

result<std::string> ini_layers::section_of_variable(std::string_view upper, const std::string& variable) const {
    const config_section* match = nullptr;
    for (const auto& section : sections_) {
        if (upper_name(section.name) != upper) continue;
        if (match)
            return bad_value(variable, "a name that fits one section",
                             "[" + match->name + "] and [" + section.name + "]");
        match = &section;
    }
    if (match) return match->name;
    for (std::string_view kind : {"INSTANCE_", "PLUGIN_", "RUNNER_"})
        if (upper.starts_with(kind))
            return section_name(
                lower_case(kind.substr(0, kind.size() - 1)) + " " + lower_case(upper.substr(kind.size())), variable);
    return section_name(lower_case(upper), variable);
}

result<void> ini_layers::add_environment() {
    constexpr std::string_view prefix = "SIGRUN_";
    for (char** entry = environ; entry && *entry; ++entry) {
        std::string_view text(*entry);
        std::size_t equals = text.find('=');
        if (!text.starts_with(prefix) || equals == std::string_view::npos) continue;
        std::string_view name = text.substr(prefix.size(), equals - prefix.size());
        std::size_t split = name.rfind("__");
        if (split == std::string_view::npos || split == 0) continue;
        const std::string variable(text.substr(0, equals));
        SIGRUN_TRY(section, section_of_variable(name.substr(0, split), variable));
        SIGRUN_TRY(key, key_name(lower_case(name.substr(split + 2)), variable));
        std::string value(trimmed(text.substr(equals + 1)));
        SIGRUN_CHECK_OK(check_value(value, variable));
        SIGRUN_CHECK_OK(add_value(section, key, value, "environment " + variable));
    }
    return {};
}

result<void> ini_layers::add_override(const std::string& text) {
    std::size_t equals = text.find('=');
    std::size_t dot = equals == std::string::npos ? equals : text.rfind('.', equals);
    if (dot == std::string::npos || dot == 0) return bad_value("--set", "section.key=value", "\"" + text + "\"");
    SIGRUN_TRY(section, section_name(text.substr(0, dot), "--set"));
    SIGRUN_TRY(key, key_name(text.substr(dot + 1, equals - dot - 1), "--set"));
    std::string value(trimmed(std::string_view(text).substr(equals + 1)));
    SIGRUN_CHECK_OK(check_value(value, "--set " + section + "." + key));
    return add_value(section, key, value, "--set");
}

result<std::string> ini_layers::expand(const std::string& full_key, const setting& from, int depth) {
    std::string raw;
    try {
        raw = poco_->getRawString(full_key);
    } catch (const Poco::Exception& e) {
        return make_problem(errc::internal, from.origin + ": " + e.displayText());
    }
    std::string out;
    std::size_t at = 0;
    for (;;) {
        std::size_t open = raw.find("${", at);
        out.append(raw, at, open == std::string::npos ? open : open - at);
        if (out.size() > k_max_value_bytes) return bad_value(from.origin, "a value of at most 64 KiB", "more");
        if (open == std::string::npos) return out;
        std::size_t close = raw.find('}', open);
        if (close == std::string::npos) return bad_value(from.origin, "${section.key}", raw.substr(open, 80));
        const std::string name = raw.substr(open + 2, close - open - 2);
        if (name.find('.') == std::string::npos || !poco_->hasProperty(name))
            return bad_value(from.origin, "${section.key} of a value that is set", "${" + name.substr(0, 80) + "}");
        if (depth >= k_max_depth || ++references_ > k_max_references)
            return bad_value(from.origin, "references that end", "${" + name.substr(0, 80) + "} leads on and on");
        SIGRUN_TRY(inner, expand(name, from, depth + 1));
        out += inner;
        at = close + 1;
    }
}

result<std::vector<config_section>> ini_layers::merge() {
    for (auto& section : sections_)
        for (auto& [key, value] : section.values) {
            SIGRUN_TRY(text, expand(section.name + "." + key, value, 0));
            value.value = text;
        }
    return std::move(sections_);
}

}  // namespace sigrun
