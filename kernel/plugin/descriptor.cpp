#include "kernel/plugin/descriptor.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::uint32_t k_max_components = 64;
constexpr std::uint32_t k_max_options = 256;
constexpr std::uint64_t k_max_text = 16 * 1024;

bool sound(sigrun_str text) noexcept { return text.len <= k_max_text && (text.ptr || !text.len); }

// Lower-case words as they stand in INI files.
bool is_word(std::string_view text) noexcept {
    if (text.empty() || text.size() > 64) return false;
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

// Element `index` of an array whose elements have the size that the first one states.
template <class T>
T strided(const T* first, std::uint32_t index) noexcept {
    T out{};
    const std::size_t stride = first->struct_size;
    std::memcpy(&out, reinterpret_cast<const char*>(first) + index * stride, std::min(stride, sizeof(T)));
    return out;
}

result<sigrun_opt> read_option(const sigrun_component& component, std::uint32_t index, const std::string& where) {
    sigrun_opt option = strided(component.opts, index);
    for (sigrun_str text : {option.key, option.def, option.doc, option.choices, option.unit})
        if (!sound(text)) return bad_value(where, "texts below 16 KiB", "a text without pointer or end");
    std::string_view key = sdk::view(option.key);
    if (!is_word(key)) return bad_value(where + " key", "lower case, digits, _ and -", std::string(key.substr(0, 80)));
    if (key == "component") return bad_value(where + " key", "a name other than the host's own", "component");
    if (option.type < SIGRUN_OPT_BOOL || option.type > SIGRUN_OPT_SECRET)
        return bad_value(where + " type of " + std::string(key), "1 .. 11", std::to_string(option.type));
    return option;
}

result<component_record> read_component(const sigrun_component& component, const std::string& where) {
    if (!sound(component.id) || !sound(component.kind) || !sound(component.doc))
        return bad_value(where, "texts below 16 KiB", "a text without pointer or end");
    component_record out{std::string(sdk::view(component.id)),
                         std::string(sdk::view(component.kind)),
                         std::string(sdk::view(component.doc)),
                         {}};
    if (!is_word(out.id)) return bad_value(where + " id", "lower case, digits, _ and -", out.id.substr(0, 80));
    if (out.kind.empty()) return bad_value(where + " kind", "an interface such as sigrun.probe/1", "nothing");
    if (component.n_opts > k_max_options)
        return bad_value(where + " n_opts", "at most 256", std::to_string(component.n_opts));
    if (component.n_opts && (!component.opts || component.opts->struct_size < sizeof(sigrun_opt)))
        return bad_value(where + " opts", "entries of at least " + std::to_string(sizeof(sigrun_opt)) + " bytes",
                         component.opts ? std::to_string(component.opts->struct_size) : "no table");
    for (std::uint32_t i = 0; i < component.n_opts; ++i) {
        SIGRUN_TRY(option, read_option(component, i, where + " option " + std::to_string(i)));
        for (const auto& known : out.options)
            if (sdk::view(known.key) == sdk::view(option.key))
                return bad_value(where + " options", "each key once", std::string(sdk::view(option.key)) + " twice");
        out.options.push_back(option);
    }
    return out;
}

}  // namespace

result<plugin_descriptor> read_descriptor(const sigrun_entry& entry, const plugin_identity& note) {
    constexpr std::size_t needed = offsetof(sigrun_entry, create) + sizeof(entry.create);
    if (entry.struct_size < needed)
        return bad_value("entry struct_size", "at least " + std::to_string(needed), std::to_string(entry.struct_size));
    if (entry.abi_major != SIGRUN_ABI_MAJOR)
        return bad_value("entry abi_major", std::to_string(SIGRUN_ABI_MAJOR), std::to_string(entry.abi_major));
    for (sigrun_str text : {entry.id, entry.version, entry.vendor, entry.license, entry.doc})
        if (!sound(text)) return bad_value("entry", "texts below 16 KiB", "a text without pointer or end");

    plugin_descriptor out;
    out.id = sdk::view(entry.id);
    out.version = sdk::view(entry.version);
    out.vendor = sdk::view(entry.vendor);
    out.license = sdk::view(entry.license);
    out.doc = sdk::view(entry.doc);
    out.abi = std::to_string(entry.abi_major) + "." + std::to_string(entry.abi_minor);
    out.flags = entry.flags;
    if (out.id != note.id) return bad_value("entry id", "\"" + note.id + "\" as in the note", "\"" + out.id + "\"");
    if (out.version != note.version)
        return bad_value("entry version", "\"" + note.version + "\" as in the note", "\"" + out.version + "\"");
    if (out.flags != note.flags)
        return bad_value("entry flags", std::to_string(note.flags) + " as in the note", std::to_string(out.flags));
    if (!entry.create) return bad_value("entry create", "a function", "NULL");
    if (entry.n_components == 0 || entry.n_components > k_max_components)
        return bad_value("entry n_components", "1 .. 64", std::to_string(entry.n_components));
    if (!entry.components || entry.components->struct_size < sizeof(sigrun_component))
        return bad_value("entry components",
                         "entries of at least " + std::to_string(sizeof(sigrun_component)) + " bytes",
                         entry.components ? std::to_string(entry.components->struct_size) : "no table");
    for (std::uint32_t i = 0; i < entry.n_components; ++i) {
        SIGRUN_TRY(component, read_component(strided(entry.components, i), "component " + std::to_string(i)));
        for (const auto& known : out.components)
            if (known.id == component.id) return bad_value("components", "each id once", component.id + " twice");
        out.components.push_back(component);
    }
    return out;
}

}  // namespace sigrun
