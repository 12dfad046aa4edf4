// The distribution and its C library.
#include "os_probe.hpp"

namespace sigrun::os {
namespace {

using sdk::fact_info;

void release(const sdk::sysroot& root, sdk::fact_writer& facts) {
    auto file = root.read("/etc/os-release", 64 * 1024);
    if (file.status == sdk::read_status::absent)
        if (auto fallback = root.read("/usr/lib/os-release", 64 * 1024)) file = std::move(fallback);
    const auto value = [&](std::string_view name) {
        auto v = sdk::os_release_value(file.text, name);
        return v && !v->empty() ? v : std::nullopt;
    };
    facts.maybe("os.id", value("ID"), file, {});
    facts.maybe("os.name", value("NAME"), file, {});
    facts.maybe("os.version", value("VERSION_ID"), file, {});
    facts.maybe("os.codename", value("VERSION_CODENAME"), file, {});
    std::optional<std::vector<std::string>> like;
    if (const auto text = value("ID_LIKE")) {
        like.emplace();
        for (auto w : sdk::words(*text)) like->emplace_back(w);
    }
    facts.maybe("os.id_like", like, file, {});
}

/// In a recorded tree only the presence of a loader tells; its version is inside the binary.
std::optional<std::pair<std::string, std::string>> loader(const sdk::sysroot& root) {
    for (std::string_view folder : {"/lib", "/lib64", "/usr/lib", "/usr/lib64"})
        for (const auto& name : root.list(folder)) {
            if (name.starts_with("ld-musl-")) return std::pair{std::string("musl"), std::string(folder) + "/" + name};
            if (name.starts_with("ld-linux")) return std::pair{std::string("glibc"), std::string(folder) + "/" + name};
        }
    return std::nullopt;
}

void libc(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    if (const auto known = calls.libc ? calls.libc() : std::nullopt) {
        facts.ok("os.libc", known->name, {.source = "gnu_get_libc_version"});
        facts.ok("os.libc_version", known->version, {.source = "gnu_get_libc_version"});
        return;
    }
    const auto found = loader(root);
    if (found)
        facts.ok("os.libc", found->first, {.source = found->second, .method = "derived", .confidence = 90});
    else
        facts.none("os.libc", "absent", {.source = "/lib", .detail = "no known program loader"});
    facts.none(
        "os.libc_version", found ? "unsupported" : "absent",
        {.source = found ? std::string_view(found->second) : std::string_view("/lib"), .detail = "not told by a file"});
}

/// An image whose /usr is mounted read-only, or an ostree deployment.
void immutable(const sdk::sysroot& root, sdk::fact_writer& facts) {
    if (root.probe("/run/ostree-booted") == sdk::read_status::ok)
        return facts.ok("os.immutable", true, {.source = "/run/ostree-booted", .method = "derived"});
    const auto file = root.read("/proc/self/mountinfo");
    std::optional<bool> readonly;
    std::string deepest;
    for (const auto& mount : sdk::parse_mountinfo(file.text))
        if ((mount.mount_point == "/" || mount.mount_point == "/usr") && mount.mount_point.size() >= deepest.size()) {
            deepest = mount.mount_point;
            readonly = mount.has_option("ro");
        }
    facts.maybe("os.immutable", readonly, file, {.method = "derived"});
}

}  // namespace

void read_os(const sdk::sysroot& root, const machine_calls& calls, sdk::fact_writer& facts) {
    release(root, facts);
    libc(root, calls, facts);
    text_file(root, facts, "os.init", "/proc/1/comm");
    immutable(root, facts);
}

}  // namespace sigrun::os
