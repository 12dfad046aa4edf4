// A new plugin project: the files of a template with its placeholders (@name@ and others) filled in, in contents and in
// file names. What a template consists of is decided by its folders: common/, LANG/, KIND/ and KIND-LANG/ lie over each
// other.
#pragma once

#include "kernel/base/result.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace sigrun::cli {

struct new_project {
    std::string kind, lang, name, id;
    std::string folder;  // must not exist yet
};

/// The languages of a template folder for one kind, or its kinds (lang empty); sorted.
std::vector<std::string> template_kinds(const std::string& template_dir);
std::vector<std::string> template_languages(const std::string& template_dir, std::string_view kind);

/// Checks everything that was typed, then writes. The files that were written, relative to the folder; after a failure the
/// folder is gone again.
result<std::vector<std::string>> make_project(const std::string& template_dir, const new_project& what);

}  // namespace sigrun::cli
