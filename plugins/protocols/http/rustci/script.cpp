#include "rustci/script.hpp"

namespace sigrun::http::rustci {

std::string shell_quote(std::string_view word) {
    std::string out = "'";
    for (char c : word) {
        if (c == '\'') {
            out += "'\\''";
        } else {
            out += c;
        }
    }
    out += '\'';
    return out;
}

std::string script_of(const job_document& job) {
    std::string before;
    if (!job.workdir.empty()) {
        // "-" alone would mean the directory before, and CDPATH would look elsewhere.
        const bool relative = job.workdir[0] != '/';
        before += "cd -- " + shell_quote(relative ? "./" + job.workdir : job.workdir) + " && ";
    }
    std::string assignments;
    for (const auto& [name, value] : job.env) assignments += " " + shell_quote(name + "=" + value);
    std::string out;
    for (const auto& s : job.steps) {
        out += "( " + before;
        if (!assignments.empty()) out += "env" + assignments + " ";
        // env would take a command word with = in it for one more assignment.
        if (!assignments.empty() && s.argv.front().find('=') != std::string::npos) out += "sh -c 'exec \"$@\"' sh ";
        for (std::size_t i = 0; i < s.argv.size(); ++i) out += (i ? " " : "") + shell_quote(s.argv[i]);
        out += " ) || exit $?\n";
    }
    return out;
}

}  // namespace sigrun::http::rustci
