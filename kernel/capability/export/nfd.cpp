#include "kernel/capability/export/nfd.hpp"

#include "kernel/capability/export/fact_reader.hpp"
#include "kernel/capability/export/nfd_words.hpp"

#include <algorithm>

namespace sigrun {
namespace {

/// Features in the three shapes; everything is text there.
struct features {
    std::map<std::string, std::vector<std::string>> flags;
    std::map<std::string, std::map<std::string, std::string>> attributes;
    std::map<std::string, std::vector<std::map<std::string, std::string>>> instances;

    void set(const char* feature, const std::string& name, const std::string& value) {
        if (!value.empty()) attributes[feature][name] = value;
    }
    void set(const char* feature, const char* name, std::optional<bool> value) {
        if (value) attributes[feature][name] = *value ? "true" : "false";
    }
    void set(const char* feature, const char* name, std::optional<std::uint64_t> value) {
        if (value) attributes[feature][name] = std::to_string(*value);
    }
    std::string get(const char* feature, const char* name) const {
        const auto of = attributes.find(feature);
        if (of == attributes.end()) return {};
        const auto at = of->second.find(name);
        return at == of->second.end() ? std::string() : at->second;
    }
};

/// "12.5-rc1" -> 12, 5 and nothing.
std::vector<std::string> numbers_of(std::string_view version) {
    std::vector<std::string> out;
    while (out.size() < 3) {
        const auto n = static_cast<std::size_t>(
            std::find_if_not(version.begin(), version.end(), [](char c) { return c >= '0' && c <= '9'; }) -
            version.begin());
        if (!n) break;
        out.emplace_back(version.substr(0, n));
        version.remove_prefix(n);
        if (!version.starts_with('.')) break;
        version.remove_prefix(1);
    }
    out.resize(3);
    return out;
}

void add_cpu(features& out, const fact_reader& read) {
    const auto arch = read.text("host.arch");
    auto& flags = out.flags["cpu.cpuid"];
    for (const auto& each : read.texts("cpu.features"))
        if (auto name = nfd_cpu_flag(arch, each); !name.empty()) flags.push_back(std::move(name));
    std::sort(flags.begin(), flags.end());
    if (flags.empty()) out.flags.erase("cpu.cpuid");
    out.set("cpu.model", "vendor_id", nfd_cpu_vendor(read.text("cpu.vendor")));
    out.set("cpu.model", "family", read.number("cpu.family"));
    out.set("cpu.model", "id", read.number("cpu.model_id"));
    out.set("cpu.topology", "hardware_multithreading", read.truth("cpu.smt"));
    if (read.text("cpu.driver") == "intel_pstate") {
        out.set("cpu.pstate", "status", std::string("active"));
        out.set("cpu.pstate", "turbo", read.truth("cpu.turbo"));
        out.set("cpu.pstate", "scaling_governor", read.text("cpu.governor"));
    }
    const auto epc = read.number("sec.sgx_epc_bytes");
    if (epc && *epc) out.set("cpu.security", "sgx.enabled", std::optional(true));
    if (read.truth("sec.tdx_host").value_or(false)) out.set("cpu.security", "tdx.enabled", std::optional(true));
    if (read.truth("sec.tdx_guest").value_or(false)) out.set("cpu.security", "tdx.protected", std::optional(true));
    const auto sev = read.text("sec.sev");
    if (sev.starts_with("sev")) out.set("cpu.security", "sev.enabled", std::optional(true));
    if (sev == "sev-es" || sev == "sev-snp") out.set("cpu.security", "sev.es.enabled", std::optional(true));
    if (sev == "sev-snp") out.set("cpu.security", "sev.snp.enabled", std::optional(true));
}

void add_system(features& out, const fact_reader& read) {
    const auto release = read.text("kernel.release");
    const auto parts = numbers_of(release);
    out.set("kernel.version", "full", release);
    out.set("kernel.version", "major", parts[0]);
    out.set("kernel.version", "minor", parts[1]);
    out.set("kernel.version", "revision", parts[2]);
    for (const auto& each : read.texts("kernel.config"))
        if (const auto is = each.find('='); is != each.npos)
            out.set("kernel.config", each.substr(0, is), each.substr(is + 1));
        else
            out.set("kernel.config", each, std::string("y"));
    const auto modules = read.texts("kernel.modules");
    if (!modules.empty()) out.flags["kernel.loadedmodule"] = modules;
    if (const auto selinux = read.text("sec.selinux"); !selinux.empty())
        out.set("kernel.selinux", "enabled", std::optional(selinux == "enforcing"));
    const auto version = read.text("os.version");
    const auto os = numbers_of(version);
    out.set("system.osrelease", "ID", read.text("os.id"));
    out.set("system.osrelease", "VERSION_ID", version);
    out.set("system.osrelease", "VERSION_ID.major", os[0]);
    out.set("system.osrelease", "VERSION_ID.minor", os[1]);
    out.set("system.name", "nodename", read.text("host.hostname"));
}

void add_memory(features& out, const fact_reader& read) {
    const auto nodes = read.number("numa.count");
    out.set("memory.numa", "node_count", nodes);
    if (nodes) out.set("memory.numa", "is_numa", std::optional(*nodes > 1));
    if (const auto swap = read.number("memory.swap_bytes")) out.set("memory.swap", "enabled", std::optional(*swap > 0));
    for (const auto* dimm : read.records("memory.nvdimm")) {
        auto& one = out.instances["memory.nv"].emplace_back();
        for (const auto& [name, value] : *dimm)
            if (value.is_string()) one[std::string(name)] = std::string(value.get_string());
    }
}

void add_devices(features& out, const fact_reader& read) {
    const auto take = [&](const char* key, const char* feature, const pairs_of_words& names) {
        for (const auto* record : read.records(key)) {
            std::map<std::string, std::string> one;
            for (const auto& [mine, theirs] : names) {
                const json::value* v = record->if_contains(mine);
                if (!v) continue;
                if (v->is_string()) one[std::string(theirs)] = std::string(v->get_string());
                if (v->is_bool()) one[std::string(theirs)] = v->get_bool() ? "1" : "0";
                if (v->is_int64() || v->is_uint64()) one[std::string(theirs)] = json::serialize(*v);
            }
            if (!one.empty()) out.instances[feature].push_back(std::move(one));
        }
    };
    take("pci", "pci.device",
         {{"class", "class"}, {"vendor_id", "vendor"}, {"device_id", "device"}, {"sriov_total", "sriov_totalvfs"}});
    take("usb", "usb.device", {{"class", "class"}, {"vendor_id", "vendor"}, {"device_id", "device"}});
    take("block", "storage.block", {{"name", "name"}, {"rotational", "rotational"}, {"dax", "dax"}});
    take("nic", "network.device",
         {{"name", "name"}, {"state", "operstate"}, {"mtu", "mtu"}, {"sriov_total", "sriov_totalvfs"}});
}

features all_features(const capability_document& facts) {
    const fact_reader read(facts);
    features out;
    add_cpu(out, read);
    add_system(out, read);
    add_memory(out, read);
    add_devices(out, read);
    return out;
}

std::string of(const std::map<std::string, std::string>& attributes, const char* name) {
    const auto at = attributes.find(name);
    return at == attributes.end() ? std::string() : at->second;
}

bool positive(const std::string& number) { return !number.empty() && number != "0"; }

/// 63 letters, digits, dots, dashes or underscores, with a letter or digit at both ends.
bool may_be_label(const std::string& value) {
    const auto alphanumeric = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    return !value.empty() && value.size() <= 63 && alphanumeric(value.front()) && alphanumeric(value.back()) &&
           std::all_of(value.begin(), value.end(),
                       [&](char c) { return alphanumeric(c) || c == '.' || c == '-' || c == '_'; });
}

}  // namespace

std::map<std::string, std::string> nfd_labels(const capability_document& facts) {
    const features all = all_features(facts);
    std::map<std::string, std::string> out;
    const auto add = [&](const std::string& name, const std::string& value) {
        if (may_be_label(value)) out["feature.node.kubernetes.io/" + name] = value;
    };
    const auto add_all = [&](const char* feature, const std::string& prefix) {
        if (const auto at = all.attributes.find(feature); at != all.attributes.end())
            for (const auto& [name, value] : at->second) add(prefix + name, value);
    };
    const auto add_if_true = [&](const char* feature, const char* name, const char* label) {
        if (all.get(feature, name) == "true") add(label, "true");
    };
    if (const auto at = all.flags.find("cpu.cpuid"); at != all.flags.end())
        for (const auto& flag : at->second)
            if (!nfd_unlabelled_flag(flag)) add("cpu-cpuid." + flag, "true");
    add_all("cpu.model", "cpu-model.");
    add_all("cpu.topology", "cpu-");
    add_all("cpu.pstate", "cpu-pstate.");
    add_all("cpu.security", "cpu-security.");
    add_all("kernel.version", "kernel-version.");
    for (const char* option : {"NO_HZ", "NO_HZ_IDLE", "NO_HZ_FULL", "PREEMPT"})
        if (const auto is = all.get("kernel.config", option); is == "y" || is == "m")
            add(std::string("kernel-config.") + option, "true");
    add_if_true("kernel.selinux", "enabled", "kernel-selinux.enabled");
    add_all("system.osrelease", "system-os_release.");
    add_if_true("memory.numa", "is_numa", "memory-numa");
    add_if_true("memory.swap", "enabled", "memory-swap.enabled");
    for (const auto& [feature, list] : all.instances)
        for (const auto& one : list) {
            const auto type = of(one, "class"), vendor = of(one, "vendor"), device = of(one, "device");
            if (feature == "pci.device" && nfd_labelled_pci(type)) {
                add("pci-" + type + "_" + vendor + ".present", "true");
                if (positive(of(one, "sriov_totalvfs"))) add("pci-" + type + "_" + vendor + ".sriov.capable", "true");
            }
            if (feature == "pci.device" && type.starts_with("02") && positive(of(one, "sriov_totalvfs")))
                add("network-sriov.capable", "true");
            if (feature == "usb.device" && nfd_labelled_usb(type))
                add("usb-" + type + "_" + vendor + "_" + device + ".present", "true");
            if (feature == "storage.block" && of(one, "rotational") == "0") add("storage-nonrotationaldisk", "true");
            if (feature == "memory.nv") add("memory-nv.present", "true");
        }
    return out;
}

json::object nfd_features(const capability_document& facts) {
    const features all = all_features(facts);
    json::object flags, attributes, instances;
    for (const auto& [feature, names] : all.flags) {
        json::object elements;
        for (const auto& name : names) elements[name] = json::object{};
        flags[feature] = json::object{{"elements", std::move(elements)}};
    }
    for (const auto& [feature, values] : all.attributes) {
        json::object elements;
        for (const auto& [name, value] : values) elements[name] = value;
        attributes[feature] = json::object{{"elements", std::move(elements)}};
    }
    for (const auto& [feature, list] : all.instances) {
        json::array elements;
        for (const auto& one : list) {
            json::object values;
            for (const auto& [name, value] : one) values[name] = value;
            elements.push_back(json::object{{"attributes", std::move(values)}});
        }
        instances[feature] = json::object{{"elements", std::move(elements)}};
    }
    return {{"flags", std::move(flags)}, {"attributes", std::move(attributes)}, {"instances", std::move(instances)}};
}

}  // namespace sigrun
