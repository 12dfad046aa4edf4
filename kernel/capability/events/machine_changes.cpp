#include "kernel/capability/events/machine_changes.hpp"

#include "kernel/config/settings.hpp"

#include <sigrun/cpp/text.hpp>
#include <sigrun/probe.h>

#include <algorithm>

namespace sigrun {
namespace {

using strings = std::vector<std::string>;

constexpr std::chrono::seconds k_fingerprint_interval{60};

std::vector<watched_path> known_files() {
    std::vector<watched_path> all{{"/etc/os-release", {"os."}},
                                  {"/usr/lib/os-release", {"os."}},
                                  {"/etc/hostname", {"host."}},
                                  {"/etc/resolv.conf", {"net."}},
                                  {"/var/lib/dpkg/status", {"pkg.", "lang", "tool"}},
                                  {"/var/lib/rpm", {"pkg.", "lang", "tool"}},
                                  {"/lib/apk/db/installed", {"pkg.", "lang", "tool"}}};
    for (const char* folder : {"/usr/local/bin", "/usr/bin", "/usr/local/go/bin", "/snap/bin"})
        all.push_back({folder, {"lang", "tool"}});
    for (const char* socket : {"/run/docker.sock", "/run/podman", "/run/containerd", "/run/crio", "/run/k3s"})
        all.push_back({socket, {"runtime"}});
    return all;
}

std::vector<watched_path> looked_at() {
    return {{"/sys/bus/pci/devices", {"pci", "gpu"}},
            {"/sys/bus/usb/devices", {"usb"}},
            {"/sys/class/drm", {"gpu"}},
            {"/sys/block", {"block"}},
            {"/sys/class/net", {"net.", "nic"}},
            {"/sys/class/infiniband", {"rdma"}},
            {"/sys/devices/system/cpu/online", {"cpu.", "numa."}},
            {"/proc/modules", {"kernel."}}};
}

/// Of each probe: what its options of type PATH name, about all keys that it declares. But for the folder that jobs work in: it
/// changes all the time, and its space is read by the clock.
void add_configured(plugin_host& host, std::vector<watched_path>& to) {
    std::map<std::string, std::vector<sigrun_opt>> options;
    for (const auto& plugin : host.plugins())
        for (const auto& component : plugin.components)
            for (const auto& instance : component.instances) options[instance] = component.options;
    for (const auto& probe : host.instances(SIGRUN_KIND_PROBE)) {
        const auto* table = probe->table<sigrun_probe>(SIGRUN_KIND_PROBE);
        const auto values = probe->values();
        if (!table || !values) continue;
        strings prefixes;
        for (std::string_view rest = sdk::view(table->keys); !rest.empty();) {
            const auto one = rest.substr(0, rest.find(','));
            rest.remove_prefix(std::min(one.size() + 1, rest.size()));
            prefixes.emplace_back(one.ends_with('*') ? one.substr(0, one.size() - 1) : one);
        }
        for (const auto& option : options[probe->name()]) {
            const auto key = sdk::view(option.key);
            if (option.type != SIGRUN_OPT_PATH || key == "work_path" || !values->has(key)) continue;
            if (auto path = values->text(key); path.starts_with('/')) to.push_back({path, prefixes});
        }
    }
}

}  // namespace

std::vector<std::unique_ptr<change_source>> machine_changes(plugin_host& host) {
    auto& io = host.io();
    auto files = known_files();
    add_configured(host, files);
    auto looked = looked_at();
    looked.insert(looked.end(), files.begin(), files.end());  // where inotify is not allowed or runs out of watches
    std::vector<std::unique_ptr<change_source>> all;
    all.push_back(watch_network(io));
    all.push_back(watch_mounts(io));
    all.push_back(watch_pressure(io, "memory"));
    all.push_back(watch_pressure(io, "cpu"));
    all.push_back(watch_files(io, std::move(files)));
    all.push_back(watch_fingerprints(io, std::move(looked), k_fingerprint_interval));
    return all;
}

}  // namespace sigrun
