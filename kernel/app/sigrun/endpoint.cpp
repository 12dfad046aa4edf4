#include "kernel/app/sigrun/endpoint.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace sigrun::cli {

surroundings surroundings::real() {
    surroundings out;
    out.variable = [](const char* name) {
        const char* value = std::getenv(name);
        return std::string(value ? value : "");
    };
    out.exists = [](const std::string& path) {
        struct stat info {};
        return ::stat(path.c_str(), &info) == 0;
    };
    out.user = ::geteuid();
    std::array<char, 4096> path{};
    const auto n = ::readlink("/proc/self/exe", path.data(), path.size());
    if (n > 0) out.program.assign(path.data(), static_cast<std::size_t>(n));
    return out;
}

std::string default_state_dir(const surroundings& s) {
    if (s.user == 0) return "/var/lib/sigrun";
    if (auto base = s.variable("XDG_STATE_HOME"); !base.empty()) return base + "/sigrun";
    if (auto home = s.variable("HOME"); !home.empty()) return home + "/.local/state/sigrun";
    return {};
}

std::string daemon_url(std::string_view given, const surroundings& s) {
    std::string url(given);
    if (url.empty()) url = s.variable("SIGRUN_URL");
    if (url.empty()) {
        const std::string dir = default_state_dir(s);
        if (!dir.empty() && s.exists(dir + "/sigrun.sock")) return "valkyrie+unix://" + dir + "/sigrun.sock";
        return "valkyrie://127.0.0.1:7070";
    }
    if (url.find("://") != std::string::npos) return url;
    if (url.starts_with("unix:")) return "valkyrie+unix://" + url.substr(5);
    if (url.front() == '/') return "valkyrie+unix://" + url;
    return "valkyrie://" + url;
}

std::string plugin_dir(std::string_view given, const surroundings& s) {
    if (!given.empty()) return std::string(given);
    if (auto dir = s.variable("SIGRUN_PLUGIN_DIR"); !dir.empty()) return dir;
    const auto slash = s.program.rfind('/');
    const std::string bin = slash == std::string::npos ? std::string(".") : s.program.substr(0, slash);
    const std::string beside = bin + "/../plugins", installed = bin + "/../lib/sigrun/plugins";
    return !s.exists(beside) && s.exists(installed) ? installed : beside;
}

}  // namespace sigrun::cli
