// Plugins that must stay as they are. A pin keeps a copy of the pinned file in the state directory, so that a restart finds
// the pinned version even if the plugin folder holds another one by then.
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>

namespace sigrun {

/// [any] Nothing is remembered here: the folder <state>/pinned is the truth, one file <id>@<sha256>.so per pin.
class pins {
public:
    explicit pins(const std::string& state_dir) : folder_(state_dir.empty() ? "" : state_dir + "/pinned") {}
    /// The pinned copy of this plugin, or "".
    std::string copy_of(std::string_view id) const;
    /// The hash in the name of a copy.
    static std::string sha256_of(std::string_view copy);
    /// `file` holds the bytes that run; `signature` is the text it came with, or empty. On disk when it returns. What was
    /// pinned before stays pinned if it fails.
    result<void> add(const std::string& id, const std::string& sha256, const std::string& file,
                     const std::string& signature) const;
    result<void> remove(std::string_view id) const;

private:
    result<void> remove_others(std::string_view id, const std::string& but) const;

    std::string folder_;
};

}  // namespace sigrun
