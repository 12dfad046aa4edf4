// Option tables for READMEs.
#pragma once

#include "kernel/config/settings.hpp"

#include <span>
#include <string>

namespace sigrun {

/// One Markdown table per section, each under its heading.
std::string options_markdown(std::span<const documented_section> sections);

}  // namespace sigrun
