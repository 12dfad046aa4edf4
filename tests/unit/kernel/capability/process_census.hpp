// What this process has: children (zombies, too), threads and descriptors. The worker pool grows by itself up to its limit and is
// counted apart.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <thread>

namespace sigrun {

inline std::set<int> children_of_this_process() {
    std::set<int> out;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        std::ifstream in(entry.path() / "stat");
        std::string stat;
        std::getline(in, stat);
        const auto name_end = stat.rfind(')');
        if (name_end != std::string::npos &&
            std::atoi(stat.c_str() + std::min(name_end + 4, stat.size())) == ::getpid())
            out.insert(std::atoi(stat.c_str()));
    }
    return out;
}

struct census {
    std::size_t children = 0, threads = 0, workers = 0, descriptors = 0;

    static census taken() {
        census out;
        out.children = children_of_this_process().size();
        for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
            std::string name;
            std::getline(std::ifstream(entry.path() / "comm") >> std::ws, name);
            ++(name.starts_with("sigrun-work") ? out.workers : out.threads);
        }
        using folder = std::filesystem::directory_iterator;
        out.descriptors = static_cast<std::size_t>(std::distance(folder("/proc/self/fd"), folder()));
        return out;
    }
};

/// Looks until it is so, or half a minute has passed.
template <class Condition>
bool soon(Condition holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return true;
}

}  // namespace sigrun
