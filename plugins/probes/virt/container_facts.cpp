// The container and the orchestrator. A marker file alone proves little: /.dockerenv stays behind when an image becomes the
// root of a machine (systemd-detect-virt then says docker). So markers of that kind count only in a process that has at
// least one name space of its own.
#include "virt_probe.hpp"

#include <sigrun/cpp/cgroup.hpp>

namespace sigrun::virt {
namespace {

using sdk::fact_info;
using sdk::read_status;

struct finding {
    std::string name, source;
};

/// A name as managers write it: "docker", "systemd-nspawn", "lxc". Anything else is not taken over.
std::string manager_name(std::string_view text) {
    text = sdk::trimmed(text);
    if (text == "oci") return {};  // says only that there is one
    const bool plain = !text.empty() && text.size() <= 32 && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
    return plain ? std::string(text) : std::string();
}

/// The value of NAME in a list of NUL-terminated NAME=value texts.
std::optional<std::string_view> variable(std::string_view environment, std::string_view name) {
    while (!environment.empty()) {
        const auto end = std::min(environment.find('\0'), environment.size());
        const auto one = environment.substr(0, end);
        environment.remove_prefix(std::min(end + 1, environment.size()));
        if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=')
            return one.substr(name.size() + 1);
    }
    return std::nullopt;
}

/// The manager whose habits a path shows: a control group's, or that of a file mounted into the container.
std::string manager_of_path(std::string_view path) {
    constexpr std::pair<std::string_view, std::string_view> k_habits[] = {{"cri-containerd-", "containerd"},
                                                                          {"/containerd/", "containerd"},
                                                                          {"/crio-", "cri-o"},
                                                                          {"libpod-", "podman"},
                                                                          {"/containers/storage/", "podman"},
                                                                          {"/overlay-containers/", "podman"},
                                                                          {"/docker-", "docker"},
                                                                          {"/docker/", "docker"},
                                                                          {"/lxc.payload", "lxc"},
                                                                          {"/lxc/", "lxc"},
                                                                          {"/garden/", "garden"}};
    for (const auto& [part, name] : k_habits)
        if (path.find(part) != path.npos) return std::string(name);
    return {};
}

/// Managers that sign with a text of their own.
finding declared(const sdk::sysroot& root, evidence_set& evidence) {
    if (root.probe("/proc/vz") == read_status::ok && root.probe("/proc/bc") == read_status::absent) {
        evidence.add("/proc/vz");
        return {"openvz", "/proc/vz"};
    }
    const auto release = root.read("/proc/sys/kernel/osrelease", 256);
    if (release.text.find("WSL") != release.text.npos || release.text.find("Microsoft") != release.text.npos) {
        evidence.add("/proc/sys/kernel/osrelease", release.trim());
        return {"wsl", release.path};
    }
    for (std::string_view path : {"/run/host/container-manager", "/run/systemd/container"}) {
        const auto file = root.read(path, 256);
        if (const auto name = manager_name(file.text); !name.empty()) {
            evidence.add(path, name);
            return {name, std::string(path)};
        }
    }
    // Not readable without being its owner; then others must tell.
    const auto environment = root.read("/proc/1/environ");
    if (const auto value = variable(environment.text, "container")) {
        if (const auto name = manager_name(*value); !name.empty()) {
            evidence.add("/proc/1/environ", "container=" + name);
            return {name, environment.path};
        }
    }
    return {};
}

finding marked(const sdk::sysroot& root, const name_spaces& spaces, evidence_set& evidence) {
    finding found;
    for (const auto& [path, name] : {std::pair{"/run/.containerenv", "podman"}, std::pair{"/.dockerenv", "docker"}}) {
        if (root.probe(path) != read_status::ok) continue;
        const bool leftover = spaces.known && !spaces.own_any;
        evidence.add(path, leftover ? "left over, all name spaces are the machine's" : "");
        if (!leftover && found.name.empty()) found = {name, path};
    }
    return found;
}

/// How the process is placed: its control group, the part of the tree that is mounted, and files mounted from outside.
finding placed(const sdk::sysroot& root, const name_spaces& spaces, evidence_set& evidence) {
    for (const auto& line : sdk::parse_proc_cgroup(root.read("/proc/self/cgroup", 64 * 1024).text))
        if (const auto name = manager_of_path(line.path); !name.empty()) {
            evidence.add("/proc/self/cgroup", name);  // the path itself may hold an id
            return {name, "/proc/self/cgroup"};
        }
    if (spaces.known && !spaces.own_any) return {};  // on the host, mounts of its containers are in view
    for (const auto& m : sdk::parse_mountinfo(root.read("/proc/self/mountinfo").text)) {
        const bool tells = m.type == "cgroup" || m.type == "cgroup2" || m.mount_point == "/etc/hostname" ||
                           m.mount_point == "/etc/hosts" || m.mount_point == "/etc/resolv.conf";
        if (!tells) continue;
        if (const auto name = manager_of_path(m.root); !name.empty()) {
            evidence.add("/proc/self/mountinfo", name);
            return {name, "/proc/self/mountinfo"};
        }
    }
    return {};
}

bool below_a_kubelet(const sdk::sysroot& root) {
    for (const auto& line : sdk::parse_proc_cgroup(root.read("/proc/self/cgroup", 64 * 1024).text))
        if (line.path.find("/kubepods") != line.path.npos) return true;
    for (const auto& m : sdk::parse_mountinfo(root.read("/proc/self/mountinfo").text)) {
        const bool own = m.mount_point == "/etc/hosts" || m.type == "cgroup" || m.type == "cgroup2";
        if (own && (m.root.find("/kubelet/pods/") != m.root.npos || m.root.find("/kubepods") != m.root.npos))
            return true;
    }
    return false;
}

}  // namespace

void read_container(const sdk::sysroot& root, evidence_set& evidence, sdk::fact_writer& facts) {
    const name_spaces spaces(root);
    auto found = declared(root, evidence);
    if (found.name.empty()) found = marked(root, spaces, evidence);
    if (found.name.empty()) found = placed(root, spaces, evidence);
    if (!found.name.empty())
        return facts.ok("virt.container", found.name, {.source = found.source, .method = "derived"});
    const std::string_view source = "/proc/self/ns/pid";
    if (spaces.own_processes) {
        evidence.add(source, "not the machine's");
        return facts.ok("virt.container", "other", {.source = source, .method = "derived", .confidence = 90});
    }
    if (spaces.known) return facts.ok("virt.container", "none", {.source = source, .method = "derived"});
    facts.missing("virt.container", root.link(source), {.source = source}, "name spaces are not told");
}

void read_orchestrator(const sdk::sysroot& root, evidence_set& evidence, sdk::fact_writer& facts) {
    constexpr std::pair<std::string_view, std::string_view> k_marks[] = {
        {"KUBERNETES_SERVICE_HOST", "kubernetes"},
        {"NOMAD_ALLOC_ID", "nomad"},
        {"ECS_CONTAINER_METADATA_URI_V4", "ecs"},
        {"ECS_CONTAINER_METADATA_URI", "ecs"},
        {"MESOS_CONTAINER_NAME", "mesos"},
        {"K_SERVICE", "knative"},
        {"CONTAINER_APP_NAME", "azure-container-apps"}};
    if (below_a_kubelet(root)) {
        evidence.add("/proc/self", "kubelet");
        return facts.ok("virt.orchestrator", "kubernetes", {.source = "/proc/self/cgroup", .method = "derived"});
    }
    // Only names are looked at: the values may be secrets.
    const auto environment = root.read("/proc/self/environ");
    for (const auto& [name, orchestrator] : k_marks)
        if (variable(environment.text, name)) {
            evidence.add("/proc/self/environ", name);
            return facts.ok("virt.orchestrator", orchestrator, {.source = environment.path, .method = "derived"});
        }
    if (environment) return facts.ok("virt.orchestrator", "none", {.source = environment.path, .method = "derived"});
    facts.missing("virt.orchestrator", environment, {}, "");
}

}  // namespace sigrun::virt
