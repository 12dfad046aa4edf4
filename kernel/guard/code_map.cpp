#include "kernel/guard/code_map.hpp"

#include <link.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

namespace sigrun {
namespace {

constexpr std::size_t k_max_modules = 2048;  // residents of many plugins, and the libraries of all

// `begin` is written last and cleared first: whoever sees it not zero may read the rest.
struct module_entry {
    std::atomic<std::uintptr_t> begin{0};
    std::uintptr_t end = 0;
    std::uintptr_t base = 0;
    std::atomic<bool> gone{false};
    code_place::kind what = code_place::kind::unknown;
    char name[64] = {};
    plugin_tag plugin;
};
module_entry g_modules[k_max_modules];
std::atomic<std::size_t> g_used{0};
std::mutex g_change;

thread_local const plugin_tag* t_loading = nullptr;

struct mapped_module {
    std::string path;
    std::uintptr_t begin = 0, end = 0, base = 0;
};

template <std::size_t N>
void copy_text(char (&to)[N], std::string_view from) noexcept {
    const std::size_t n = std::min(from.size(), N - 1);
    std::memcpy(to, from.data(), n);
    std::memset(to + n, 0, N - n);
}

std::vector<mapped_module> modules_now() {
    std::vector<mapped_module> out;
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* ctx) {
            mapped_module m;
            m.path = info->dlpi_name ? info->dlpi_name : "";
            m.base = info->dlpi_addr;
            m.begin = UINTPTR_MAX;
            for (int i = 0; i < info->dlpi_phnum; ++i) {
                const auto& segment = info->dlpi_phdr[i];
                if (segment.p_type != PT_LOAD || !(segment.p_flags & PF_X)) continue;
                m.begin = std::min(m.begin, m.base + segment.p_vaddr);
                m.end = std::max(m.end, m.base + segment.p_vaddr + segment.p_memsz);
            }
            if (m.end) static_cast<std::vector<mapped_module>*>(ctx)->push_back(std::move(m));
            return 0;
        },
        &out);
    return out;
}

module_entry* entry_at(std::uintptr_t begin) {
    for (std::size_t i = 0; i < g_used; ++i)
        if (g_modules[i].begin == begin && !g_modules[i].gone) return &g_modules[i];
    return nullptr;
}

// A free entry, else one whose code has gone. Under the lock.
module_entry* room() {
    module_entry* old = nullptr;
    for (std::size_t i = 0; i < g_used; ++i) {
        if (!g_modules[i].begin) return &g_modules[i];
        if (g_modules[i].gone && (!old || g_modules[i].plugin.generation < old->plugin.generation)) old = &g_modules[i];
    }
    if (g_used < k_max_modules) return &g_modules[g_used++];
    return old;
}

// Under the lock.
bool add(const mapped_module& m, code_place::kind what, const plugin_tag& tag) {
    for (std::size_t i = 0; i < g_used; ++i)  // what was there before is forgotten now
        if (g_modules[i].gone && g_modules[i].begin < m.end && m.begin < g_modules[i].end) g_modules[i].begin = 0;
    module_entry* to = room();
    if (!to) return false;
    to->begin = 0;
    to->end = m.end;
    to->base = m.base;
    to->gone = false;
    to->what = what;
    const std::string_view path = m.path;
    copy_text(to->name, path.substr(path.rfind('/') + 1));
    to->plugin = tag;
    to->begin.store(m.begin, std::memory_order_release);
    return true;
}

}  // namespace

plugin_tag::plugin_tag(std::string_view of, std::string_view ver, std::string_view sha, std::uint64_t number) noexcept
    : generation(number) {
    copy_text(id, of);
    copy_text(version, ver);
    copy_text(sha256, sha);
}

void map_program_code() {
    const auto now = modules_now();
    std::lock_guard lock(g_change);
    for (std::size_t i = 0; i < g_used; ++i) {
        auto& known = g_modules[i];
        if (!known.begin || known.what != code_place::kind::library) continue;
        const bool there = std::any_of(now.begin(), now.end(), [&](const auto& m) { return m.begin == known.begin; });
        if (!there) known.begin = 0;
    }
    for (std::size_t i = 0; i < now.size(); ++i) {
        if (entry_at(now[i].begin)) continue;
        mapped_module m = now[i];
        if (i == 0) m.path = program_invocation_short_name;  // the loader has no name for the program itself
        add(m, i == 0 ? code_place::kind::program : code_place::kind::library, {});
    }
}

bool map_plugin_code(const std::string& path, const plugin_tag& tag) {
    const auto now = modules_now();
    const auto found = std::find_if(now.begin(), now.end(), [&](const auto& m) { return m.path == path; });
    if (found == now.end()) return false;
    {
        std::lock_guard lock(g_change);
        // Somebody may have taken it for a library in between.
        if (auto* known = entry_at(found->begin)) known->begin = 0;
        if (!add(*found, code_place::kind::plugin, tag)) return false;
    }
    map_program_code();  // what the plugin needs came with it
    return true;
}

void unmap_plugin_code(std::uint64_t generation) noexcept {
    std::lock_guard lock(g_change);
    for (std::size_t i = 0; i < g_used; ++i)
        if (g_modules[i].what == code_place::kind::plugin && g_modules[i].plugin.generation == generation)
            g_modules[i].gone = true;
}

bool find_code(std::uintptr_t address, code_place& out) noexcept {
    const std::size_t n = g_used.load(std::memory_order_acquire);
    for (std::size_t i = 0; i < n; ++i) {
        const auto& m = g_modules[i];
        const std::uintptr_t begin = m.begin.load(std::memory_order_acquire);
        if (!begin || address < begin || address >= m.end) continue;
        out.what = m.what;
        out.gone = m.gone.load(std::memory_order_relaxed);
        std::memcpy(out.module, m.name, sizeof out.module);
        out.offset = address - m.base;
        out.plugin = m.plugin;
        return true;
    }
    return false;
}

loading_plugin::loading_plugin(const plugin_tag& tag) noexcept : before_(t_loading) { t_loading = &tag; }
loading_plugin::~loading_plugin() { t_loading = before_; }
const plugin_tag* loading_plugin::current() noexcept { return t_loading; }

}  // namespace sigrun
