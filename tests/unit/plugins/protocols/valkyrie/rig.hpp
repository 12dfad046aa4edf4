// The rig of two instances, for this plugin, and its second implementation.
#pragma once

#include "unit/plugins/protocols/pair/rig.hpp"

#include <fcntl.h>
#include <sys/wait.h>

#include <csignal>

namespace rig {

/// Runs the second implementation.
class twin {
public:
    explicit twin(std::vector<std::string> arguments) {
        int out[2];
        if (pipe2(out, O_CLOEXEC)) throw std::runtime_error("no pipe");
        arguments.insert(
            arguments.begin(),
            {"python3", "-B", SIGRUN_SOURCE_DIR "/tests/unit/plugins/protocols/valkyrie/valkyrie_twin.py"});
        pid_ = fork();
        if (pid_ == 0) {
            dup2(out[1], 1);
            std::vector<char*> argv;
            for (auto& a : arguments) argv.push_back(a.data());
            argv.push_back(nullptr);
            execvp(argv[0], argv.data());
            _exit(127);
        }
        ::close(out[1]);
        out_ = out[0];
    }
    ~twin() {
        if (pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
        ::close(out_);
    }
    std::string line() {
        std::string text;
        for (char c; read(out_, &c, 1) == 1 && c != '\n';) text += c;
        return text;
    }
    int wait() {
        int status = -1;
        waitpid(std::exchange(pid_, -1), &status, 0);
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }

private:
    pid_t pid_ = -1;
    int out_ = -1;
};

}  // namespace rig
