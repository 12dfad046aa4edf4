// The child's side of a trial.
#include "kernel/metrics/metrics.hpp"
#include "kernel/plugin/plugin_host.hpp"
#include "kernel/plugin/trial.hpp"
#include "kernel/plugin/trial_words.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

#ifdef __SANITIZE_THREAD__
constexpr int k_own_threads = 2;  // the sanitizer has one for itself
#else
constexpr int k_own_threads = 1;
#endif

// What the plugins of a trial left in its process; ended, so that nothing of it keeps the parent's pipe open.
std::string what_is_left() {
    std::string left;
    pid_t child;
    while ((child = ::waitpid(-1, nullptr, WNOHANG)) >= 0) {
        left = "it left a process behind in its trial";
        if (child > 0) continue;
        for (const auto& entry : fs::directory_iterator("/proc")) {
            std::ifstream in(entry.path() / "stat");
            std::string stat;
            std::getline(in, stat);
            const auto name_end = stat.rfind(')');
            if (name_end != std::string::npos &&
                std::atoi(stat.c_str() + std::min(name_end + 4, stat.size())) == ::getpid())
                ::kill(std::atoi(stat.c_str()), SIGKILL);
        }
        ::poll(nullptr, 0, 1);
    }
    // The host's own threads have been joined; the kernel may take a moment to forget them.
    auto threads = [] { return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator()); };
    for (int i = 0; i < 200 && threads() > k_own_threads; ++i) ::poll(nullptr, 0, 1);
    if (left.empty() && threads() > k_own_threads) left = "it left a thread behind in its trial";
    return left;
}

std::set<std::string> mapped_objects() {
    std::set<std::string> names;
    auto each = [](dl_phdr_info* object, std::size_t, void* into) {
        static_cast<std::set<std::string>*>(into)->insert(object->dlpi_name);
        return 0;
    };
    ::dl_iterate_phdr(each, &names);
    return names;
}

// Keeps what came with the plugins mapped until it is known that no thread is left in it: one would crash, and be taken for
// a crash of the plugin's.
class kept_mapped {
public:
    explicit kept_mapped(const std::set<std::string>& before) {
        for (const auto& name : mapped_objects())
            if (!before.contains(name))
                if (void* handle = ::dlopen(name.c_str(), RTLD_NOW | RTLD_NOLOAD)) handles_.push_back(handle);
    }
    void let_go() {
        for (void* handle : handles_) ::dlclose(handle);
    }

private:
    std::vector<void*> handles_;
};

}  // namespace

int run_as_plugin_host(int argc, char** argv) {
    if (argc != 3 || argv[1] != k_trial_flag) return -1;
    // Nobody would end a plugin that sleeps if the parent were killed. What the plugin starts and lets go of comes back here.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const rlimit none{0, 0};
    ::setrlimit(RLIMIT_CORE, &none);
    // What the plugin prints is nobody's; only this function speaks to the parent.
    const int parent = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    ::dup2(nowhere, STDOUT_FILENO);
    ::dup2(nowhere, STDERR_FILENO);
    std::string report, kinds;
    std::optional<kept_mapped> kept;
    {
        const auto before = mapped_objects();
        metrics numbers;
        plugin_host_options options;
        options.plugin_dir = argv[2];
        options.program = "sigrun plugin host";
        options.private_folder = true;
        plugin_host host(std::move(options), settings::parse("", "trial").value(), numbers);
        auto loaded = host.load_all();
        kept.emplace(before);
        if (!loaded) report = loaded.error().text();
        for (const auto& each : host.plugins()) {
            if (!each.active && report.empty()) report = each.reason;
            for (const auto& component : each.components) kinds += component.kind + "\n";
        }
        host.shutdown();
    }
    if (report.empty()) report = what_is_left();
    if (report.empty()) kept->let_go();
    const bool good = report.empty();
    if (good) report = std::string(k_trial_good) + kinds;
    [[maybe_unused]] auto written = ::write(parent, report.data(), report.size());
    ::_exit(good ? 0 : 1);
}

}  // namespace sigrun
