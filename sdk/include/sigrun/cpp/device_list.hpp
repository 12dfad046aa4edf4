// sigrun/cpp/device_list.hpp: facts that are lists of devices, which come and go while they are looked at. Header-only.
//
//   const auto found = scan_devices(run, [&] { return root.list("/sys/block"); },
//                                   [&](const std::string& name) -> std::optional<record> { ... });
//   if (!found.stopped) device_list(run.facts(), "block", found, {.source = "/sys/block"});
#pragma once

#include <sigrun/cpp/probe.hpp>

#include <optional>

namespace sigrun::sdk {

struct device_scan {
    std::vector<record> found;
    std::size_t left_out = 0;  // entries beyond the limit, not looked at
    bool stopped = false;      // the run came to its end before everything was read
};

/// Reads each of `names()`, and all again if these have changed meanwhile, at most twice. A device that is gone in the
/// end, or of which `read` knows nothing, is dropped: that is usual, not an error.
template <class Names, class Read>
device_scan scan_devices(probe_run& run, Names&& names, Read&& read) {
    constexpr std::size_t k_max_devices = 1024;
    constexpr int k_repeats = 2;
    std::vector<std::string> before = names();
    for (int look = 0;; ++look) {
        device_scan out;
        std::vector<std::pair<std::string, record>> found;
        for (const auto& name : before) {
            if (found.size() == k_max_devices) {
                ++out.left_out;
                continue;
            }
            if (!run.go_on()) {
                out.stopped = true;
                return out;
            }
            if (std::optional<record> one = read(name)) found.emplace_back(name, std::move(*one));
        }
        std::vector<std::string> after = names();
        if (after != before && look < k_repeats) {
            before = std::move(after);
            continue;
        }
        for (auto& [name, one] : found)
            if (std::find(after.begin(), after.end(), name) != after.end()) out.found.push_back(std::move(one));
        return out;
    }
}

/// The list as one fact, absent if it is empty. What is more than a fact can hold is left out, with a remark and less
/// confidence; so put first what matters.
inline void device_list(fact_writer& facts, std::string_view key, const device_scan& scan, fact_info info) {
    // Some room below the limit: the kernel writes the same records in its own way.
    constexpr std::size_t k_room = fact_writer::k_max_value - 4096;
    std::vector<record> list;
    std::size_t size = 2;
    for (const auto& one : scan.found) {
        size += one.json().size() + 1;
        if (size > k_room) break;
        list.push_back(one);
    }
    if (list.empty()) {
        if (info.detail.empty()) info.detail = "there is none";
        return facts.none(key, "absent", info);
    }
    std::string remark(info.detail);
    if (const auto more = scan.found.size() - list.size() + scan.left_out; more > 0) {
        remark = concat("cut: ", more, " more", remark.empty() ? "" : "; ", remark);
        info.confidence = std::min(info.confidence, 50u);
    }
    info.detail = remark;
    facts.ok(key, records(list), info);
}

/// ok, or why the entries of a folder cannot be listed.
inline file_text folder_state(const sysroot& root, std::string_view path) {
    file_text out = root.read(path, 1);
    // What could be opened and is no file is the folder that it should be.
    if (out.error == EINVAL || out.error == EISDIR) {
        out.status = read_status::ok;
        out.error = 0;
    }
    return out;
}

/// At most `limit` bytes of a text, without white space around it; nothing if there is none.
inline std::optional<std::string> short_text(const file_text& file, std::size_t limit = 128) {
    const auto text = file.trim();
    if (!file || text.empty()) return std::nullopt;
    return std::string(text.substr(0, limit));
}

}  // namespace sigrun::sdk
