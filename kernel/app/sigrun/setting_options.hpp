// As whom, at what terminal and apart from what a job runs: those options, and what they are in the job document. Pure.
#pragma once

#include "kernel/base/json.hpp"

#include <string>
#include <vector>

namespace sigrun::cli {

struct setting_options {
    std::string user;  // "NAME" or "NAME:GROUP"
    bool pty = false;
    std::string pty_size;              // "80x24": columns and rows
    std::vector<std::string> isolate;  // names of parts, "all", or NAME=VALUE as in the document
    std::vector<std::string> writable;
    std::string enforce;
    std::string image, pull;  // of a container
};

/// Adds what was given. The problem names the option.
result<void> add_setting(const setting_options& options, json::object& document);

}  // namespace sigrun::cli
