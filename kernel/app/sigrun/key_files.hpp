// A pair of keys as two files, NAME.key and NAME.pub.
#pragma once

#include "kernel/app/sigrun/context.hpp"

#include <string>

namespace sigrun::cli {

struct key_purpose {
    std::string what;     // "plugin"
    std::string example;  // lines of comment for the public key: how it can be narrowed
    std::string signs;    // "it signs (sigrun plugin sign)"
    std::string goes_to;  // "trust.d beside the configuration file of who trusts it"
};
/// Writes them, and tells so. Nothing is written over.
int make_key_files(context& ctx, const std::string& name, const key_purpose& purpose);

}  // namespace sigrun::cli
