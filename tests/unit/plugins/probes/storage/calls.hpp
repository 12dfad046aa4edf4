// Machines for the storage probe, made here.
#pragma once

#include "fixtures/machines/rig.hpp"
#include "storage_probe.hpp"

namespace sigrun::storage {

/// A device below /sys/block, with the link that tells where it hangs.
inline void block(machines::scratch_tree& tree, const std::string& place,
                  const std::vector<std::pair<std::string, std::string>>& files) {
    const std::string name = place.substr(place.rfind('/') + 1), real = "sys/devices/" + place;
    for (const auto& [file, text] : files) tree.write(real + "/" + file, text + "\n");
    std::filesystem::create_directories(tree.path() + "/sys/block");
    std::filesystem::create_symlink("../devices/" + place, tree.path() + "/sys/block/" + name);
}

/// Answers of statvfs by path, and who was asked.
struct spaces {
    std::map<std::string, answer<space>> by_path;
    std::vector<std::string> asked;
    machine_calls calls() {
        return {[this](const std::string& path) {
                    asked.push_back(path);
                    const auto at = by_path.find(path);
                    return at == by_path.end() ? answer<space>{0, {1000, 500, 100, 50}} : at->second;
                },
                [](const std::string&) {
                    return answer<std::uint64_t>{ESRCH, 0};
                }};
    }
};

inline machines::fact_map facts_of(const machines::scratch_tree& tree, const machine_calls& calls,
                                   const work_place& place = {}) {
    return machines::facts_below(tree.path(), [&](auto& root, auto& run) { collect(root, calls, place, run); });
}

}  // namespace sigrun::storage
