// NVIDIA's management library, opened when a card of theirs is there. Its interface is stable C; what is used of it is declared
// here, as in "NVML API Reference Guide" (structures of the versioned functions that are called).
#include "gpu_probe.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>

namespace sigrun::gpu {
namespace {

using device_handle = struct nvml_device*;
enum : int { k_ok = 0, k_no_permission = 4, k_driver_not_loaded = 9, k_library_mismatch = 18, k_gpu_is_lost = 15 };
constexpr int k_sm_clock = 1;
constexpr unsigned k_max_parts = 16;

struct memory_amounts {
    unsigned long long total, free, used;
};
struct pci_place {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
};

class library {
public:
    explicit library(const std::string& name) : handle_(::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) {}
    library(const library&) = delete;
    library& operator=(const library&) = delete;
    ~library() {
        if (handle_) ::dlclose(handle_);
    }
    explicit operator bool() const noexcept { return handle_ != nullptr; }
    /// Older libraries lack some functions; calling one of those is "not supported".
    template <class... Args>
    int call(const char* name, Args... args) const {
        constexpr int k_function_not_found = 13;
        using function = int (*)(Args...);
        const auto f = reinterpret_cast<function>(::dlsym(handle_, name));
        return f ? f(args...) : k_function_not_found;
    }
    template <class... Args>
    std::string text(const char* name, Args... args) const {
        std::array<char, 128> room{};
        if (call(name, args..., room.data(), static_cast<unsigned>(room.size() - 1)) != k_ok) return {};
        return room.data();
    }
    std::optional<unsigned> number(const char* name, device_handle d) const {
        unsigned n = 0;
        return call(name, d, &n) == k_ok ? std::optional(n) : std::nullopt;
    }

private:
    void* handle_;
};

std::string reason(int result) {
    switch (result) {
        case k_no_permission: return "denied";
        case k_driver_not_loaded: return "driver not loaded";
        case k_library_mismatch: return "driver and library differ";
        case k_gpu_is_lost: return "lost";
        default: return "NVML error " + std::to_string(result);
    }
}

std::string architecture(unsigned number) {
    constexpr std::string_view k_names[] = {"",       "",       "kepler", "maxwell", "pascal",   "volta",
                                            "turing", "ampere", "ada",    "hopper",  "blackwell"};
    return number < std::size(k_names) ? std::string(k_names[number]) : std::string();
}

/// "00000000:18:00.0" as NVML writes it -> "0000:18:00.0" as sysfs does.
std::string address_of(const pci_place& at) {
    std::string id(at.bus_id, ::strnlen(at.bus_id, sizeof at.bus_id));
    for (char& c : id) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto colon = id.find(':');
    if (colon != id.npos && colon > 4 && id.substr(0, colon - 4).find_first_not_of('0') == id.npos)
        id.erase(0, colon - 4);
    return id;
}

void add_parts(const library& nvml, device_handle d, card& c) {
    const auto most = nvml.number("nvmlDeviceGetMaxMigDeviceCount", d).value_or(0);
    for (unsigned i = 0; i < std::min(most, k_max_parts); ++i) {
        device_handle part = nullptr;
        memory_amounts memory{};
        if (nvml.call("nvmlDeviceGetMigDeviceHandleByIndex", d, i, &part) != k_ok) continue;  // a place without a part
        if (nvml.call("nvmlDeviceGetMemoryInfo", part, &memory) != k_ok) continue;
        c.parts.push_back({nvml.text("nvmlDeviceGetUUID", part), memory.total});
    }
}

void describe(const library& nvml, device_handle d, card& c) {
    c.model = nvml.text("nvmlDeviceGetName", d);
    c.uuid = nvml.text("nvmlDeviceGetUUID", d);
    memory_amounts memory{};
    const int answered = nvml.call("nvmlDeviceGetMemoryInfo", d, &memory);
    if (answered == k_ok) c.memory_bytes = memory.total;
    int major = 0, minor = 0;
    if (nvml.call("nvmlDeviceGetCudaComputeCapability", d, &major, &minor) == k_ok)
        c.compute_capability = std::to_string(major) + "." + std::to_string(minor);
    if (const auto n = nvml.number("nvmlDeviceGetArchitecture", d)) c.arch = architecture(*n);
    unsigned mhz = 0;
    if (nvml.call("nvmlDeviceGetMaxClockInfo", d, k_sm_clock, &mhz) == k_ok)
        c.clock_hz = std::uint64_t{mhz} * 1'000'000;
    unsigned now = 0, later = 0;
    if (nvml.call("nvmlDeviceGetMigMode", d, &now, &later) == k_ok) {
        c.mig_mode = now ? "enabled" : "disabled";
        if (now) add_parts(nvml, d, c);
    }
    if (nvml.call("nvmlDeviceGetEccMode", d, &now, &later) == k_ok) c.ecc = now != 0;
    if (const auto mode = nvml.number("nvmlDeviceGetPersistenceMode", d)) c.persistence = *mode != 0;
    if (const auto mode = nvml.number("nvmlDeviceGetVirtualizationMode", d)) c.is_virtual = *mode != 0;
    c.usable = answered == k_ok;
    c.health = answered == k_ok ? "ok" : reason(answered);
}

void none_usable(std::vector<card>& cards, const std::string& why) {
    for (auto& c : cards) {
        if (c.vendor != "nvidia" || c.asleep) continue;
        c.usable = false;
        c.health = why;
    }
}

}  // namespace

void ask_nvml(const std::string& name, std::vector<card>& cards) {
    const library nvml(name);
    if (!nvml) return none_usable(cards, "no NVML library");
    if (const int begun = nvml.call("nvmlInit_v2"); begun != k_ok) return none_usable(cards, reason(begun));
    struct session {
        const library& nvml;
        ~session() { nvml.call("nvmlShutdown"); }
    } const open{nvml};
    none_usable(cards, "not known to NVML");  // until it is found among those that are
    const auto driver = nvml.text("nvmlSystemGetDriverVersion");
    int cuda = 0;
    const bool knows_cuda = nvml.call("nvmlSystemGetCudaDriverVersion_v2", &cuda) == k_ok && cuda > 0;
    unsigned count = 0;
    if (const int counted = nvml.call("nvmlDeviceGetCount_v2", &count); counted != k_ok)
        return none_usable(cards, reason(counted));
    for (unsigned i = 0; i < std::min<unsigned>(count, k_max_cards); ++i) {
        device_handle d = nullptr;
        pci_place at{};
        if (nvml.call("nvmlDeviceGetHandleByIndex_v2", i, &d) != k_ok) continue;
        if (nvml.call("nvmlDeviceGetPciInfo_v3", d, &at) != k_ok) continue;
        const auto c = std::find_if(cards.begin(), cards.end(),
                                    [pci = address_of(at)](const card& one) { return one.pci == pci; });
        if (c == cards.end() || c->asleep) continue;
        describe(nvml, d, *c);
        c->driver_version = driver;
        if (!knows_cuda) continue;
        c->api = "cuda";
        c->api_version = std::to_string(cuda / 1000) + "." + std::to_string(cuda % 1000 / 10);
    }
}

}  // namespace sigrun::gpu
