#include "process_state.hpp"

#include <sigrun/cpp/text.hpp>

#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <sstream>
#if defined(__x86_64__)
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

extern char** environ;

namespace sigrun::check {
namespace {

std::string slurp(const std::string& path) {
    std::ifstream in(path);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

template <class Take>
void for_each_number(const char* folder, const Take& take) {
    DIR* dir = ::opendir(folder);
    if (!dir) return;
    while (const dirent* e = ::readdir(dir))
        if (e->d_name[0] >= '0' && e->d_name[0] <= '9') take(std::atoi(e->d_name), ::dirfd(dir));
    ::closedir(dir);
}

std::string handler_text(const struct sigaction& action) {
    if (!(action.sa_flags & SA_SIGINFO)) {
        if (action.sa_handler == SIG_DFL) return "the default";
        if (action.sa_handler == SIG_IGN) return "ignored";
    }
    return sdk::concat("a handler at ", reinterpret_cast<std::uintptr_t>(action.sa_handler));
}

std::string float_mode() {
#if defined(__x86_64__)
    return std::to_string(_mm_getcsr() & ~0x3fu);  // without the sticky exception flags
#else
    return std::to_string(std::fegetround());
#endif
}

}  // namespace

std::map<int, std::string> open_descriptors() {
    std::map<int, std::string> out;
    for_each_number("/proc/self/fd", [&](int fd, int own) {
        if (fd == own) return;
        char target[512];
        const ssize_t n = ::readlink(sdk::concat("/proc/self/fd/", fd).c_str(), target, sizeof target);
        out[fd] = n > 0 ? std::string(target, static_cast<std::size_t>(n)) : std::string("?");
    });
    return out;
}

std::vector<pid_t> threads_of_this_process() {
    std::vector<pid_t> out;
    for_each_number("/proc/self/task", [&](int tid, int) { out.push_back(tid); });
    return out;
}

std::vector<pid_t> children_of_this_process() {
    std::vector<pid_t> out;
    const pid_t me = ::getpid();
    // /proc/PID/task/TID/children is optional; the parent in stat is not.
    for_each_number("/proc", [&](int pid, int) {
        const std::string stat = slurp(sdk::concat("/proc/", pid, "/stat"));
        const auto close = stat.rfind(')');
        if (close != std::string::npos && close + 4 < stat.size() && std::atoi(stat.c_str() + close + 4) == me)
            out.push_back(pid);
    });
    return out;
}

std::vector<pid_t> living_descendants() {
    std::map<pid_t, pid_t> parents;
    std::vector<pid_t> alive;
    for_each_number("/proc", [&](int pid, int) {
        const std::string stat = slurp(sdk::concat("/proc/", pid, "/stat"));
        const auto close = stat.rfind(')');
        if (close == std::string::npos || close + 4 >= stat.size()) return;
        parents[pid] = std::atoi(stat.c_str() + close + 4);
        if (stat[close + 2] != 'Z' && stat[close + 2] != 'X') alive.push_back(pid);
    });
    const pid_t me = ::getpid();
    std::erase_if(alive, [&](pid_t pid) {
        for (pid_t at = pid; at > 1;) {
            auto up = parents.find(at);
            if (up == parents.end()) return true;
            if (up->second == me) return false;
            at = up->second;
        }
        return true;
    });
    return alive;
}

void kill_children() {
    for (int round = 0; round < 100; ++round) {
        const auto left = children_of_this_process();
        if (left.empty()) return;
        for (pid_t pid : left) ::kill(pid, SIGKILL);
        for (pid_t pid : left)
            while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
            }
    }
}

std::size_t private_memory() {
    std::ifstream in("/proc/self/smaps_rollup");
    std::size_t kib = 0;
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("Private_Dirty:") || line.starts_with("Private_Clean:"))
            kib += std::strtoull(line.c_str() + line.find(':') + 1, nullptr, 10);
    return kib * 1024;
}

process_settings read_settings() {
    process_settings s;
    for (int number = 1; number < 65; ++number) {
        struct sigaction action {};
        if (number == SIGKILL || number == SIGSTOP || ::sigaction(number, nullptr, &action) != 0) continue;
        const char* name = ::sigabbrev_np(number);
        s.signals[name ? sdk::concat("SIG", name) : sdk::concat("signal ", number)] = handler_text(action);
    }
    for (char** e = environ; e && *e; ++e) {
        const std::string_view line(*e);
        const auto equals = line.find('=');
        s.environment[std::string(line.substr(0, equals))] =
            equals == line.npos ? std::string() : std::string(line.substr(equals + 1));
    }
    const char* locale = std::setlocale(LC_ALL, nullptr);
    s.locale = locale ? locale : "?";
    const mode_t mask = ::umask(022);
    ::umask(mask);
    s.umask = sdk::concat("0", mask >> 6 & 7u, mask >> 3 & 7u, mask & 7u);
    char folder[4096];
    s.folder = ::getcwd(folder, sizeof folder) ? folder : "?";
    s.terminate = sdk::concat("the handler at ", reinterpret_cast<std::uintptr_t>(std::get_terminate()));
    s.float_mode = float_mode();
    return s;
}

std::string difference(const std::map<std::string, std::string>& before,
                       const std::map<std::string, std::string>& after) {
    std::string out;
    auto add = [&](const std::string& key, std::string_view was, std::string_view is) {
        out += sdk::concat(out.empty() ? "" : "; ", key, ": ", was, " before, ", is, " after");
    };
    for (const auto& [key, value] : before) {
        auto now = after.find(key);
        if (now == after.end()) {
            add(key, value, "nothing");
        } else if (now->second != value) {
            add(key, value, now->second);
        }
    }
    for (const auto& [key, value] : after)
        if (!before.contains(key)) add(key, "nothing", value);
    return out;
}

void nap(int ms) noexcept { ::poll(nullptr, 0, ms); }

}  // namespace sigrun::check
