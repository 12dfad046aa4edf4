// The text behind a fact, read again from its source.
#include "kernel/capability/explanation.hpp"

#include <sigrun/cpp/fact_writer.hpp>
#include <sigrun/cpp/sysroot.hpp>

#include <algorithm>
#include <cctype>

namespace sigrun {
namespace {

constexpr std::size_t k_max_raw = 512;
constexpr std::size_t k_most_read = 1024 * 1024;

std::string_view path_in(std::string_view source) {
    for (std::size_t at = 0; at < source.size();) {
        auto end = source.find_first_of(" ,", at);
        if (end == source.npos) end = source.size();
        const auto word = source.substr(at, end - at);
        if (word.starts_with('/')) return word.find('*') == word.npos ? word : std::string_view();
        at = end + 1;
    }
    return {};
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    return out;
}

/// "total" of memory.total_bytes, "vendor" and "id" of cpu.vendor_id; a unit says nothing about the line.
std::vector<std::string> words_of(std::string_view key) {
    static constexpr std::string_view k_units[] = {"bytes", "hz", "bps", "ns", "us", "ms", "s", "ratio", "count"};
    if (const auto dot = key.rfind('.'); dot != key.npos) key.remove_prefix(dot + 1);
    std::vector<std::string> words;
    while (!key.empty()) {
        const auto cut = std::min(key.find('_'), key.size());
        const auto word = key.substr(0, cut);
        if (word.size() > 1 && std::find(std::begin(k_units), std::end(k_units), word) == std::end(k_units))
            words.push_back(lower(word));
        key.remove_prefix(std::min(cut + 1, key.size()));
    }
    return words;
}

std::string lines_about(std::string_view text, std::string_view key) {
    const auto words = words_of(key);
    std::string out;
    while (!text.empty() && out.size() <= k_max_raw) {
        const auto line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const auto small = lower(line);
        if (std::any_of(words.begin(), words.end(), [&](const auto& w) { return small.find(w) != small.npos; }))
            out.append(line).append("\n");
    }
    return out;
}

std::string bounded(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == '\0')) text.pop_back();
    std::replace(text.begin(), text.end(), '\0', ' ');  // /proc/PID/cmdline and environ
    if (text.size() > k_max_raw) {
        text.resize(k_max_raw - 3);
        text += "...";
    }
    return text;
}

/// Text as it is; what is not UTF-8, or full of control characters, is only measured.
std::string readable(const std::string& text, std::size_t size) {
    const bool binary = std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 && c != '\n' && c != '\t' && c != '\r';
    });
    return binary || sdk::json_text(text).find("\\ufffd") != std::string::npos
               ? "(" + std::to_string(size) + " bytes that are no text)"
               : text;
}

}  // namespace

std::optional<std::string> raw_text(const std::string& sysroot, std::string_view source, std::string_view key) {
    const auto path = path_in(source);
    if (path.empty()) return std::nullopt;
    if (path.ends_with("/environ")) return "(an environment; it may hold secrets)";
    const sdk::sysroot root(sysroot);
    const auto info = root.stat(path);
    if (info && S_ISDIR(info->st_mode)) {
        std::string names;
        for (const auto& name : root.list(path)) {
            if (names.size() > k_max_raw) break;
            names += (names.empty() ? "" : " ") + name;
        }
        return "(folder) " + bounded(std::move(names));
    }
    const auto file = root.read_head(path, k_most_read);
    if (!file) return std::nullopt;
    auto text = file.text.size() > k_max_raw ? lines_about(file.text, key) : file.text;
    if (text.empty()) text = file.text;
    return readable(bounded(std::move(text)), file.text.size());
}

}  // namespace sigrun
