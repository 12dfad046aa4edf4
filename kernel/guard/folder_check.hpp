// Who can change what is in a folder: whoever may write to it, or to any folder on the way to it, or owns one of them. Plugins
// are code that runs with the daemon's rights, so all of these must be the daemon's user or root.
#pragma once

#include "kernel/base/result.hpp"
#include "kernel/guard/private_file.hpp"

#include <string>
#include <vector>

namespace sigrun {

class checked_folder {
public:
    /// Walks the path from / and looks at every folder and symbolic link on it through the descriptor it goes on with, so that
    /// nothing can be exchanged between the look and the use. Refused: an owner other than root and this user, a folder that
    /// everybody may write to without the sticky bit. Warned of: a folder that a group may write to.
    ///
    /// `last`: of the folder itself more can be asked, since whoever may add a file to it is as good as its owner: owner_alone refuses
    /// one that a group, or everybody and be it with the sticky bit, may write to.
    enum class writers { some, owner_alone };
    static result<checked_folder> open(const std::string& path, writers last = writers::some);

    /// An open regular file of it, by its path below the folder. A symbolic link that leads out of the folder is refused.
    result<owned_fd> open_file(const std::string& below) const;
    /// The bytes, at most `limit`, of a file that belongs to root or this user, and that nobody else may write to.
    result<std::string> read_own_file(const std::string& below, std::size_t limit) const;
    const std::string& path() const noexcept { return path_; }
    const std::vector<std::string>& warnings() const noexcept { return warnings_; }

private:
    owned_fd folder_;
    std::string path_;
    std::vector<std::string> warnings_;
};

}  // namespace sigrun
