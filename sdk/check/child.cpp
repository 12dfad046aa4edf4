#include "child.hpp"

#include "library.hpp"
#include "process_state.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/json.hpp>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <functional>

namespace sigrun::check {
namespace {

namespace fs = std::filesystem;
using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

struct scratch_folder {
    std::string path;
    scratch_folder() {
        path = (fs::temp_directory_path() / "sigrun-check-XXXXXX").string();
        if (!::mkdtemp(path.data())) throw std::runtime_error("cannot make a folder in the temporary directory");
    }
    ~scratch_folder() {
        std::error_code ignored;
        fs::remove_all(path, ignored);
    }
};

struct ending {
    bool hung = false;
    int status = 0;
    std::string said;
};

// Reads what the child says until it has ended (a process it left behind may keep the pipe open) or its time is over.
ending attend(pid_t child, int from, milliseconds limit) {
    ending end;
    const auto until = clock::now() + limit;
    char chunk[4096];
    auto read_all = [&] {
        for (;;) {
            const ssize_t n = ::read(from, chunk, sizeof chunk);
            if (n > 0 && end.said.size() < (4u << 20)) end.said.append(chunk, static_cast<std::size_t>(n));
            if (n <= 0 && !(n < 0 && errno == EINTR)) return;
        }
    };
    for (;;) {
        pollfd one{from, POLLIN, 0};
        ::poll(&one, 1, 5);
        read_all();
        if (::waitpid(child, &end.status, WNOHANG) == child) break;
        if (clock::now() >= until) {
            end.hung = true;
            ::kill(child, SIGKILL);
            ::waitpid(child, &end.status, 0);
            break;
        }
        if (one.revents & POLLHUP) ::poll(nullptr, 0, 2);
    }
    read_all();
    return end;
}

void become_test(const std::string& folder) {
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what the plugin leaves behind stays visible
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::signal(SIGPIPE, SIG_IGN);  // as the daemon does
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nowhere, fd);
    ::close(nowhere);
    if (::chdir(folder.c_str()) != 0) ::_exit(3);
}

constexpr int k_done = 42;  // an exit code that a plugin's exit(0) does not give

struct shared_page {
    progress* now;
    shared_page() {
        void* p = ::mmap(nullptr, sizeof(progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) throw std::runtime_error("no memory for a test");
        now = new (p) progress{};
    }
    ~shared_page() { ::munmap(now, sizeof(progress)); }
};

ending in_child(const std::function<void(reporter&)>& body, const std::string& folder, milliseconds limit,
                progress& now, pid_t* pid_of_child = nullptr) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe for a test");
    ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
    const pid_t child = ::fork();
    if (child < 0) throw std::runtime_error("no process for a test");
    if (child == 0) {
        ::close(ends[0]);
        const pid_t me = ::getpid();
        become_test(folder);
        reporter report(ends[1], now);
        body(report);
        // A process that the plugin forked and that returned up to here must not report.
        if (::getpid() != me) ::_exit(0);
        ::_exit(k_done);
    }
    ::close(ends[1]);
    if (pid_of_child) *pid_of_child = child;
    auto end = attend(child, ends[0], limit);
    ::close(ends[0]);
    kill_children();  // what it left behind is ours now
    return end;
}

std::string how_it_died(const ending& end, milliseconds limit) {
    if (end.hung) return sdk::concat("nothing for ", limit.count(), " ms");
    if (WIFSIGNALED(end.status)) {
        const char* name = ::sigabbrev_np(WTERMSIG(end.status));
        return sdk::concat("a crash, SIG", name ? name : "?");
    }
    return sdk::concat("the process ended itself with exit code ", WEXITSTATUS(end.status));
}

void parse_findings(const std::string& said, std::vector<finding>& out) {
    for (std::size_t at = 0; at < said.size();) {
        auto end = said.find('\n', at);
        if (end == std::string::npos) end = said.size();
        boost::system::error_code ec;
        auto v = boost::json::parse(std::string_view(said).substr(at, end - at), ec);
        at = end + 1;
        const auto* o = ec ? nullptr : v.if_object();
        if (!o) continue;
        auto text = [&](const char* key) { return std::string(o->at(key).as_string()); };
        out.push_back({text("rule"),
                       static_cast<outcome>(o->at("result").to_number<int>()),
                       text("expected"),
                       text("found"),
                       text("note"),
                       {},
                       0});
    }
}

}  // namespace

void run_test(const test& what, const arguments& args, const subject& file, std::vector<finding>& out) {
    scratch_folder folder;
    shared_page page;
    page.now->set_rule(what.rules.front());
    auto limit = args.timeout * what.weight;
    if (what.fuzzes) limit += args.fuzz;
    const auto began = clock::now();
    std::vector<finding> found;
    auto body = [&](reporter& report) {
        session s{args, file, report, folder.path};
        what.run(s);
    };
    if (args.in_process) {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("no pipe for a test");
        ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
        const auto back = fs::current_path();
        fs::current_path(folder.path);
        {
            reporter report(ends[1], *page.now);
            body(report);
        }
        fs::current_path(back);
        ::close(ends[1]);
        std::string said;
        char chunk[4096];
        for (ssize_t n; (n = ::read(ends[0], chunk, sizeof chunk)) > 0;)
            said.append(chunk, static_cast<std::size_t>(n));
        ::close(ends[0]);
        parse_findings(said, found);
    } else {
        auto end = in_child(body, folder.path, limit, *page.now);
        parse_findings(end.said, found);
        if (end.hung || !WIFEXITED(end.status) || WEXITSTATUS(end.status) != k_done) {
            std::string where = page.now->step;
            found.push_back({page.now->rule,
                             outcome::fail,
                             where.empty() ? std::string("it goes on") : sdk::concat(where, " returns"),
                             how_it_died(end, limit),
                             {},
                             {},
                             0});
        }
    }
    for (auto rule_id : what.rules)
        if (std::none_of(found.begin(), found.end(), [&](const finding& f) { return f.rule == rule_id; }))
            found.push_back({std::string(rule_id), outcome::skip, {}, {}, "not reached", {}, 0});
    const double ms = std::chrono::duration<double, std::milli>(clock::now() - began).count();
    for (auto& f : found) {
        f.test = what.name;
        f.ms = ms;
        out.push_back(std::move(f));
    }
}

std::vector<std::string> kinds_of(const arguments& args, const subject& file) {
    scratch_folder folder;
    shared_page page;
    auto end = in_child(
        [&](reporter& report) {
            library code(file.bytes, folder.path);
            const auto* entry = code.entry();
            if (!entry) return;
            auto known = read_descriptor(*entry, file.note);
            if (!known) return;
            for (const auto& c : known->components) report.pass(c.kind);
        },
        folder.path, args.timeout, *page.now);
    std::vector<finding> found;
    parse_findings(end.said, found);
    std::vector<std::string> kinds;
    for (auto& f : found) kinds.push_back(f.rule);
    return kinds;
}

}  // namespace sigrun::check
