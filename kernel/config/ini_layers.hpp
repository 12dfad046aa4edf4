// Stacks configuration layers, the later one wins, and merges them into sections with origins. Used by one
// thread, once.
#pragma once

#include "kernel/config/ini_scan.hpp"
#include "kernel/config/settings.hpp"

#include <Poco/AutoPtr.h>
#include <Poco/Util/LayeredConfiguration.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

class ini_layers {
public:
    ini_layers();

    result<void> add_text(std::string_view ini_text, const std::string& file_name);
    /// Variables SIGRUN_SECTION__KEY of this process. SECTION is the section's name in upper case with every
    /// character that is not a letter or digit as "_": SIGRUN_INSTANCE_HTTP_MAIN__THREADS sets `threads` of
    /// [instance http-main] if a file has that section. Without such a section, INSTANCE_, PLUGIN_ or RUNNER_
    /// at the front makes a named section
    /// ("instance http_main"), anything else a plain one. The last "__" separates the key. Variables without
    /// "__" after the prefix are none of ours.
    result<void> add_environment();
    /// "section.key=value"; the key is what follows the last dot before the first "=".
    result<void> add_override(const std::string& text);
    /// Every value, with ${section.key} replaced.
    result<std::vector<config_section>> merge();

private:
    result<void> add_value(const std::string& section, const std::string& key, const std::string& value,
                           const std::string& origin);
    config_section& section_for(const std::string& name, const std::string& origin);
    result<std::string> section_of_variable(std::string_view upper, const std::string& variable) const;
    result<std::string> expand(const std::string& full_key, const setting& from, int depth);

    Poco::AutoPtr<Poco::Util::LayeredConfiguration> poco_;
    int priority_ = 0;  // Poco: lower numbers win
    std::vector<config_section> sections_;
    std::map<std::string, std::size_t> index_;  // lower-case name -> place in sections_
    int references_ = 0;
};

}  // namespace sigrun
