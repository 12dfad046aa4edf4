#include "bench/sim/cells.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <map>
#include <stdexcept>
#include <type_traits>

namespace sigrun::sim {
namespace {

static_assert(std::is_trivially_copyable_v<figures>);

struct child {
    pid_t pid = 0;
    int from = -1;
};

[[noreturn]] void work(const cell& c, int to) {
    int status = 1;
    try {
        const figures found = simulate(*c.where, *c.who, c.options);
        // Below the size of a pipe's buffer, so it is written whole whether the parent reads or not.
        if (::write(to, &found, sizeof found) == static_cast<ssize_t>(sizeof found)) status = 0;
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s, %s: %s\n", c.where->name.c_str(), c.who->name.c_str(), e.what());
    }
    ::_exit(status);
}

child start(const cell& c) {
    int ends[2];
    if (::pipe(ends)) throw std::runtime_error("no pipe for a child process");
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error("no child process");
    if (!pid) work(c, ends[1]);
    ::close(ends[1]);
    return {pid, ends[0]};
}

bool collect(cell& c, const child& from, int status) {
    const bool whole = ::read(from.from, &c.found, sizeof c.found) == static_cast<ssize_t>(sizeof c.found);
    ::close(from.from);
    return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

void run_cells(std::vector<cell>& cells, unsigned workers, const std::function<void(std::size_t done)>& progress) {
    std::map<pid_t, std::pair<std::size_t, child>> running;
    std::string failed;
    std::size_t next = 0, done = 0;
    while (next < cells.size() || !running.empty()) {
        while (next < cells.size() && running.size() < workers && failed.empty()) {
            const child started = start(cells[next]);
            running.emplace(started.pid, std::pair{next++, started});
        }
        if (running.empty()) break;
        int status = 0;
        const auto ended = running.find(::waitpid(-1, &status, 0));
        if (ended == running.end()) continue;
        const auto [index, from] = ended->second;
        running.erase(ended);
        if (!collect(cells[index], from, status))
            failed = cells[index].where->name + " with " + cells[index].who->name;
        else
            progress(++done);
    }
    if (!failed.empty()) throw std::runtime_error("the run of " + failed + " failed");
}

}  // namespace sigrun::sim
