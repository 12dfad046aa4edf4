// Which code lies where: the program, the libraries it uses, and every generation of a plugin that was mapped. Kept for the
// handler of fatal signals: find_code takes no lock, allocates nothing and may run at any moment; changes are made by
// ordinary threads under a lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace sigrun {

/// What a crash is blamed on. Texts are cut, not refused.
struct plugin_tag {
    plugin_tag() = default;
    plugin_tag(std::string_view id, std::string_view version, std::string_view sha256,
               std::uint64_t generation) noexcept;
    char id[64] = {};
    char version[32] = {};
    char sha256[65] = {};
    std::uint64_t generation = 0;
};

struct code_place {
    enum class kind : std::uint8_t { unknown, program, library, plugin };
    kind what = kind::unknown;
    bool gone = false;          // the plugin was unmapped; nothing else has come to lie there
    char module[64] = {};       // file name
    std::uintptr_t offset = 0;  // into the module
    plugin_tag plugin;          // of kind::plugin
};

/// Learns the program's own code and the libraries mapped now. Cheap when nothing changed.
void map_program_code();
/// The file at `path` was mapped and is this plugin. False: there is no such mapping, or no room for it.
bool map_plugin_code(const std::string& path, const plugin_tag& tag);
/// It was unmapped. Its place is remembered until something else is mapped there: a thread that still runs in it is its own.
void unmap_plugin_code(std::uint64_t generation) noexcept;
/// [any] also inside a handler of fatal signals.
bool find_code(std::uintptr_t address, code_place& out) noexcept;

/// While it lives, this thread runs the loader on behalf of the plugin: its static constructors, before the code is in the map.
class loading_plugin {
public:
    explicit loading_plugin(const plugin_tag& tag) noexcept;
    ~loading_plugin();
    loading_plugin(const loading_plugin&) = delete;
    loading_plugin& operator=(const loading_plugin&) = delete;
    /// Of the calling thread, or null.
    static const plugin_tag* current() noexcept;

private:
    const plugin_tag* before_;
};

}  // namespace sigrun
