#include "kernel/base/start_program.hpp"

#include <signal.h>
#include <spawn.h>

extern char** environ;

namespace sigrun {

int start_program(pid_t& process, const std::string& program, std::vector<std::string> arguments,
                  std::span<const given_descriptor> descriptors) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    for (const auto& d : descriptors) posix_spawn_file_actions_adddup2(&files, d.own, d.its);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t nothing;
    sigemptyset(&nothing);
    posix_spawnattr_setsigmask(&attributes, &nothing);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
    std::vector<char*> words{const_cast<char*>(program.c_str())};
    for (auto& a : arguments) words.push_back(a.data());
    words.push_back(nullptr);
    const int failed = ::posix_spawn(&process, program.c_str(), &files, &attributes, words.data(), environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

}  // namespace sigrun
