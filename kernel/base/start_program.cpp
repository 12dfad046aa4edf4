#include "kernel/base/start_program.hpp"

#include <signal.h>
#include <spawn.h>

#include <algorithm>
#include <string_view>

extern char** environ;

namespace sigrun {

namespace {

/// Pointers into `more` and into the environment of this process.
std::vector<char*> with_environment(const std::vector<std::string>& more) {
    std::vector<char*> out;
    for (const auto& each : more) out.push_back(const_cast<char*>(each.c_str()));
    for (char** at = environ; *at; ++at) {
        const std::string_view old(*at);
        const auto same = [&](const std::string& each) {
            return old.starts_with(std::string_view(each).substr(0, each.find('=') + 1));
        };
        if (std::none_of(more.begin(), more.end(), same)) out.push_back(*at);
    }
    out.push_back(nullptr);
    return out;
}

}  // namespace

int start_program(pid_t& process, const std::string& program, std::vector<std::string> arguments,
                  std::span<const given_descriptor> descriptors, const program_surroundings& around) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    for (const auto& d : descriptors) posix_spawn_file_actions_adddup2(&files, d.own, d.its);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t nothing;
    sigemptyset(&nothing);
    posix_spawnattr_setsigmask(&attributes, &nothing);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP;
    if (around.usual_signals) {
        sigset_t all;
        sigfillset(&all);
        posix_spawnattr_setsigdefault(&attributes, &all);
        flags |= POSIX_SPAWN_SETSIGDEF;
    }
    posix_spawnattr_setflags(&attributes, static_cast<short>(flags));
    std::vector<char*> words{const_cast<char*>(program.c_str())};
    for (auto& a : arguments) words.push_back(a.data());
    words.push_back(nullptr);
    const int failed = ::posix_spawn(&process, program.c_str(), &files, &attributes, words.data(),
                                     with_environment(around.environment).data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

}  // namespace sigrun
