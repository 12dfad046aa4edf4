// record_machine FILE: writes the machine that it runs on as a tree file, with what all probes look at and what they say of it.
// Identities are taken out. The facts are for a person to check: they are what the probes say, right or wrong.
#include "cpu_probe.hpp"
#include "gpu_probe.hpp"
#include "machines/all_probes.hpp"
#include "machines/scrubbed.hpp"
#include "memory_probe.hpp"
#include "network_probe.hpp"
#include "os_probe.hpp"
#include "pci_probe.hpp"
#include "rdma_probe.hpp"
#include "security_probe.hpp"
#include "storage_probe.hpp"
#include "usb_probe.hpp"
#include "virt_probe.hpp"

#include <iostream>

namespace machines {
namespace {

using namespace sigrun;
constexpr std::size_t k_largest = 64 * 1024;  // of a file; what is larger is left out

/// Runs all probes on this machine; what they look at and ask for comes out.
class recording {
public:
    recording() {
        watch_libpci();
        facts_below_live();
    }
    const std::set<std::string>& paths() const { return paths_; }
    const json::object& calls() const { return calls_; }

private:
    void look(std::string_view path) {
        auto plain = fs::path("/" + std::string(path)).lexically_normal().string();
        if (plain.size() > 1 && plain.ends_with('/')) plain.pop_back();
        paths_.insert(plain);
    }
    /// libpci opens its files itself.
    void watch_libpci() {
        for (const auto& device : sdk::sysroot().list("/sys/bus/pci/devices"))
            for (const char* file : {"vendor", "device", "class", "subsystem_vendor", "subsystem_device", "irq"})
                look("/sys/bus/pci/devices/" + device + "/" + file);
    }
    void facts_below_live() {
        const sdk::sysroot root({}, [this](std::string_view path) { look(path); });
        collecting_sink sink;
        sdk::probe_run run("*", &sink.abi, nullptr, 1, 0);
        cpu::collect(root, cpu_calls(), run);
        memory::collect(root, memory_calls(), run);
        os::collect(root, os_calls(), run);
        virt::collect(root, virt_calls(), run);
        security::collect(root, security_calls(), run);
        pci::collect(root, run.facts());
        usb::collect(root, run.facts());
        gpu::collect(root, "", run.facts());
        rdma::collect(root, run);
        storage::collect(root, storage_calls(), {}, run);
        network::collect(root, network_calls(), run);
        run.finish();
    }

    cpu::machine_calls cpu_calls() {
        auto calls = cpu::live_calls();
        if (calls.affinity)
            if (const auto set = calls.affinity()) calls_["affinity"] = set->text();
        if (!calls.cpuid) return calls;
        calls.cpuid = [this, ask = calls.cpuid](std::uint32_t leaf, std::uint32_t subleaf) {
            const auto r = ask(leaf, subleaf);
            keep(leaf, subleaf, r);
            return r;
        };
        calls_["xcr0"] = calls.cpuid(1, 0).ecx >> 27 & 1 ? calls.xcr0() : 0;
        return calls;
    }
    virt::machine_calls virt_calls() {
        auto calls = virt::live_calls();
        if (calls.cpuid)
            calls.cpuid = [this, ask = calls.cpuid](std::uint32_t leaf) {
                const auto r = ask(leaf);
                keep(leaf, 0, r);
                return r;
            };
        return calls;
    }
    template <class Regs>
    void keep(std::uint32_t leaf, std::uint32_t subleaf, const Regs& r) {
        char name[32];
        std::snprintf(name, sizeof name, "%x:%x", leaf, subleaf);
        auto& table = calls_["cpuid"];
        if (!table.is_object()) table = json::object();
        table.as_object()[name] = json::array{r.eax, r.ebx, r.ecx, r.edx};
    }
    memory::machine_calls memory_calls() {
        auto calls = memory::live_calls();
        calls_["page_size"] = calls.page_size();
        calls.writable = nullptr;
        return calls;
    }
    os::machine_calls os_calls() {
        auto calls = os::live_calls();
        calls_["machine"] = calls.machine();
        if (const auto c = calls.libc()) calls_["libc"] = json::array{c->name, c->version};
        return calls;
    }
    security::machine_calls security_calls() {
        auto calls = security::live_calls();
        if (calls.landlock) calls_["landlock"] = calls.landlock().version;
        return calls;
    }
    storage::machine_calls storage_calls() {
        auto calls = storage::live_calls();
        calls_["spaces"] = json::object();
        calls.space_of = [this, ask = calls.space_of](const std::string& path) {
            const auto a = ask(path);
            if (a.error == 0)
                calls_["spaces"].as_object()[path] =
                    json::array{a.value.total_bytes, a.value.available_bytes, a.value.inodes, a.value.inodes_free};
            return a;
        };
        return calls;
    }
    /// Hardware addresses and network addresses are numbered instead.
    network::machine_calls network_calls() {
        const auto live = network::live_calls();
        auto tables = live.tables();
        json::array links;
        for (const auto& l : tables.links) {
            json::object one{{"index", l.index}, {"name", l.name},   {"kind", l.kind},
                             {"type", l.type},   {"flags", l.flags}, {"mtu", l.mtu}};
            one["operstate"] = l.operstate;
            char mac[32];
            std::snprintf(mac, sizeof mac, "02:00:00:00:00:%02x", l.index & 255);
            const bool known = l.address.find_first_not_of('\0') != l.address.npos;
            one["mac"] = known ? mac : "";
            json::array addresses;
            for (const auto& a : tables.addresses) {
                if (a.index != l.index) continue;
                const bool local = a.text.starts_with("127.") || a.text == "::1";
                const std::string number = std::to_string(l.index);
                const std::string text = local             ? a.text
                                         : a.family == 2   ? "192.0.2." + number
                                         : a.scope == 253u ? "fe80::" + number
                                                           : "2001:db8::" + number;
                addresses.push_back(json::value(text + "/" + std::to_string(a.prefix)));
            }
            one["addresses"] = addresses;
            for (const auto& r : tables.defaults)
                if (r.index == l.index && r.family == 2) one["default"] = r.metric;
            const auto device = live.device(l.name);
            one["driver"] = device.driver;
            one["firmware"] = device.firmware;
            if (device.speed_mbps) one["speed"] = *device.speed_mbps;
            if (device.duplex) one["duplex"] = *device.duplex;
            one["negotiated"] = device.negotiated ? 1 : 0;
            links.push_back(std::move(one));
        }
        calls_["links"] = std::move(links);
        return {[tables] { return tables; }, live.device, nullptr};
    }

    std::set<std::string> paths_;
    json::object calls_;
};

bool printable(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return c == '\n' || c == '\t' || (c >= ' ' && c <= '~'); });
}

/// The entries of a tree file, by path.
class entries {
public:
    /// The file, folder or link at `path`, and every link on the way there.
    void add(std::string path) {
        for (int links = 0; links < 40; ++links) {
            std::string at;
            bool followed = false;
            for (std::size_t slash = 0; slash != path.npos && !followed;) {
                const auto next = path.find('/', slash + 1);
                at = path.substr(0, next);
                struct stat info {};
                if (::lstat(at.c_str(), &info) != 0) return;
                if (S_ISLNK(info.st_mode) && !at.starts_with("/proc/self")) {
                    const auto target = link(at);
                    if (target.empty()) return;
                    const auto rest = next == path.npos ? std::string() : path.substr(next);
                    path = (fs::path(target).is_absolute() ? fs::path(target) : fs::path(at).parent_path() / target)
                               .lexically_normal()
                               .string() +
                           rest;
                    followed = true;
                }
                slash = next;
            }
            if (followed) continue;
            return leaf(path);
        }
    }
    std::string text() const {
        std::string out;
        for (const auto& [path, line] : lines_) {
            const bool inside = line == "/" && [&] {
                const auto next = lines_.upper_bound(path);
                return next != lines_.end() && next->first.starts_with(path + "/");
            }();
            if (!inside) out += path + line + "\n";
        }
        return out;
    }

private:
    std::string link(const std::string& path) {
        std::error_code ec;
        const auto target = fs::read_symlink(path, ec).string();
        if (!ec) lines_[path] = " -> " + target;
        return ec ? std::string() : target;
    }
    void leaf(const std::string& path) {
        struct stat info {};
        const bool only_named = names_.erase(path) > 0;
        if (::lstat(path.c_str(), &info) != 0 || (lines_.contains(path) && !only_named)) return;
        if (S_ISLNK(info.st_mode)) {
            link(path);
        } else if (S_ISDIR(info.st_mode)) {
            lines_[path] = "/";
            if (path.starts_with("/sys/fs/cgroup")) return;  // nobody lists these, and they hold much
            for (const auto& name : sdk::sysroot().list(path)) {
                const auto child = path + "/" + name;
                if (lines_.contains(child) || ::lstat(child.c_str(), &info) != 0) continue;
                if (S_ISLNK(info.st_mode)) {
                    link(child);
                } else {
                    lines_[child] = S_ISDIR(info.st_mode) ? "/" : ":";
                    names_.insert(child);
                }
            }
        } else if (S_ISREG(info.st_mode)) {
            file(path);
        } else {
            lines_[path] = ":";
        }
    }
    void file(const std::string& path) {
        const auto read = sdk::sysroot().read(path, k_largest);
        if (read.status == sdk::read_status::denied) lines_[path] = " !denied";
        if (!read) return;
        const auto text = scrubbed(path, read.text, host_);
        std::string& line = lines_[path];
        if (text.empty()) {
            line = ":";
        } else if (!printable(text) || text.find("\\x00") != text.npos) {
            line = ":hex ";
            for (const char c : text) {
                char two[4];
                std::snprintf(two, sizeof two, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
                line += two;
            }
        } else if (text.find('\n') == text.size() - 1) {
            line = ": " + text.substr(0, text.size() - 1);
        } else {
            line = ":";
            std::string_view rest = text, one;
            while (sdk::next_line(rest, one)) line.append("\n  ").append(one);
        }
    }
    std::string host_ = std::string(sdk::sysroot().read("/proc/sys/kernel/hostname").trim());
    std::map<std::string, std::string> lines_;
    std::set<std::string> names_;  // of lines_: seen in a folder's list, not looked at
};

int write_record(const std::string& file) {
    const recording heard;
    entries files;
    for (const auto& path : heard.paths()) files.add(path);
    machine_file machine{fs::path(file).stem(), "", files.text(), heard.calls(), {}};
    scratch_tree tree;
    unpack(machine, tree.path());
    std::ofstream out(file);
    out << "for: (one line: what this machine is for)\n--- files\n" << machine.files;
    out << "--- calls\n" << machine.calls << "\n--- facts\n";
    for (const auto& [key, fact] : all_facts(tree.path(), machine.calls)) {
        if (const auto* value = fact.if_contains("value"))
            out << key << " = " << *value << "\n";
        else
            out << key << ": " << std::string_view(fact.at("status").as_string()) << "\n";
    }
    out.flush();
    return out ? 0 : 1;
}

}  // namespace
}  // namespace machines

int main(int argc, char** argv) try {
    if (argc != 2) {
        std::cerr << "usage: record_machine FILE.tree\n";
        return 2;
    }
    return machines::write_record(argv[1]);
} catch (const std::exception& e) {
    std::cerr << "record_machine: " << e.what() << "\n";
    return 1;
}
