#include "kernel/app/sigrun/fact_view.hpp"

#include "kernel/app/sigrun/table.hpp"
#include "kernel/app/sigrun/units.hpp"

#include <cerrno>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

namespace sigrun::cli {
namespace {

bool has_value(const json::object& fact) {
    const auto status = text_or(fact, "status", "ok");
    return status == "ok" || status == "stale";
}

const json::object* find(const json::array& facts, std::string_view key) {
    for (const auto& item : facts)
        if (const json::object* fact = item.if_object(); fact && text_or(*fact, "key") == key) return fact;
    return nullptr;
}

std::string value_text(const json::array& facts, std::string_view key) {
    const json::object* fact = find(facts, key);
    const json::value* value = fact && has_value(*fact) ? fact->if_contains("value") : nullptr;
    return value ? fact_text(key, *value) : std::string();
}

cell fact_status_cell(const json::object& fact) {
    const auto status = text_or(fact, "status", "ok");
    std::string text(status);
    const auto detail = text_or(fact, "detail"), source = text_or(fact, "source");
    // "no such file" is better said with its name.
    if (detail == std::strerror(ENOENT) && source.starts_with('/'))
        text.append(" (no ").append(source).append(")");
    else if (!detail.empty())
        text.append(" (").append(detail).append(")");
    return {text, style_of_state(status)};
}

/// One line, or one per record of a list of records.
void add_fact(fields& out, std::string_view name, const json::object& fact) {
    const json::value* value = fact.if_contains("value");
    if (!has_value(fact) || !value) {
        out.add(std::string(name), fact_status_cell(fact));
        return;
    }
    const json::array* list = value->if_array();
    if (list && !list->empty() && list->front().is_object()) {
        for (std::size_t i = 0; i < list->size(); ++i)
            out.add(std::string(name) + "[" + std::to_string(i) + "]", fact_text(name, (*list)[i]));
        return;
    }
    std::string text = fact_text(text_or(fact, "key"), *value);
    if (text_or(fact, "status") == "stale") text += " (stale)";
    const auto method = text_or(fact, "method");
    if (method == "declared" || method == "assumed") text.append(" (").append(method).append(")");
    out.add(std::string(name), text.empty() ? "\"\"" : text);
}

std::string joined(std::initializer_list<std::string> parts, const char* between) {
    std::string out;
    for (const auto& part : parts) {
        if (part.empty()) continue;
        if (!out.empty()) out += between;
        out += part;
    }
    return out;
}

/// "gcc 12.2.0, python 3.11.2" from the facts lang and tool, which are lists of records or keys
/// "lang[0].name".
std::string named_versions(const json::array& facts, std::string_view family) {
    std::string out;
    auto append = [&](std::string_view name, std::string_view version) {
        if (name.empty()) return;
        if (!out.empty()) out += ", ";
        out += name;
        if (!version.empty()) out.append(" ").append(version);
    };
    if (const json::object* fact = find(facts, family); fact && has_value(*fact))
        if (const json::array* records = array_or_null(*fact, "value"))
            for (const auto& item : *records)
                if (const json::object* record = item.if_object())
                    append(text_or(*record, "name"), text_or(*record, "version"));
    for (std::size_t i = 0; out.empty() || i > 0; ++i) {
        const std::string stem = std::string(family) + "[" + std::to_string(i) + "].";
        const std::string name = value_text(facts, stem + "name");
        if (name.empty()) break;
        append(name, value_text(facts, stem + "version"));
    }
    return out;
}

}  // namespace

json::array facts_of(const json::array& facts, const std::vector<std::string>& prefixes) {
    json::array out;
    for (const auto& item : facts) {
        const json::object* fact = item.if_object();
        if (!fact) continue;
        std::string_view key = text_or(*fact, "key");
        const bool pattern = key.ends_with('*');
        if (pattern) key.remove_suffix(1);
        for (const auto& prefix : prefixes)
            if (key.starts_with(prefix) || (pattern && std::string_view(prefix).starts_with(key))) {
                out.push_back(item);
                break;
            }
    }
    return out;
}

std::string export_lines(const json::object& exported) {
    std::string out;
    if (const auto* labels = object_or_null(exported, "labels"))
        for (const auto& [name, value] : *labels)
            if (value.is_string()) out += std::string(name) + "=" + std::string(value.get_string()) + "\n";
    if (const auto* properties = array_or_null(exported, "properties"))
        for (const auto& item : *properties)
            if (const auto* one = item.if_object())
                out += std::string(text_or(*one, "name")) + "=" + std::string(text_or(*one, "value")) + "\n";
    return out;
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

std::string fact_groups(const json::array& facts, const terminal& where) {
    std::vector<std::pair<std::string, fields>> groups;
    std::map<std::string, std::size_t, std::less<>> index;
    for (const auto& item : facts) {
        const json::object* fact = item.if_object();
        if (!fact) continue;
        const std::string_view key = text_or(*fact, "key");
        const auto cut = key.find_first_of(".[");
        const std::string_view group = key.substr(0, cut);
        auto [at, is_new] = index.try_emplace(std::string(group), groups.size());
        if (is_new) groups.emplace_back(group, fields());
        std::string_view name = cut == std::string_view::npos ? key : key.substr(key[cut] == '.' ? cut + 1 : cut);
        add_fact(groups[at->second].second, name, *fact);
    }
    std::string out;
    for (const auto& [name, lines] : groups)
        out += (out.empty() ? "" : "\n") + where.paint(name, style::strong) + "\n" + lines.render(where, "  ");
    return out;
}

std::string fact_summary(const json::array& facts, const terminal& where, std::string_view indent) {
    auto v = [&](std::string_view key) { return value_text(facts, key); };
    auto around = [&](std::string_view key) { return v(key) == "none" ? std::string() : v(key); };
    const std::string kernel = v("kernel.release");
    fields f;
    f.add("system", joined({joined({v("os.name"), v("os.version")}, " "), kernel.empty() ? kernel : "Linux " + kernel,
                            v("host.arch"), around("virt.vm"), around("virt.container")},
                           ", "));
    const std::string cores = v("cpu.effective_cores");
    f.add("processor",
          joined({v("cpu.model"), cores.empty() ? "" : cores + " usable cores", v("cpu.isa_level")}, ", "));
    const std::string usable = v("memory.effective_bytes");
    f.add("memory", usable.empty() ? v("memory.total_bytes") : usable);
    f.add("work folder",
          joined({v("work.fs"), v("work.available_bytes").empty() ? "" : v("work.available_bytes") + " free"}, ", "));
    f.add("graphics", v("gpu.count") == "0" ? "none" : joined({v("gpu.count"), v("gpu[0].model")}, " x "));
    f.add("languages", named_versions(facts, "lang"));
    f.add("tools", named_versions(facts, "tool"));
    f.add("containers", named_versions(facts, "runtime"));
    f.add("plugins", named_versions(facts, "runner.plugins"));
    return f.render(where, indent);
}

}  // namespace sigrun::cli
