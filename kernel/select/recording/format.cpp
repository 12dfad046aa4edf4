#include "kernel/select/recording/format.hpp"

#include "kernel/base/json.hpp"

#include <bit>
#include <cstring>

namespace sigrun::picks {
namespace {

constexpr std::size_t k_max_header = 64 << 10;
static_assert(std::endian::native == std::endian::little);

}  // namespace

std::string write_header(const header& h) {
    json::object options;
    for (const auto& [key, value] : h.options) options[key] = value;
    const std::string text = json::serialize(json::object{{"balancer", h.balancer},
                                                          {"plugin", h.plugin},
                                                          {"component", h.component},
                                                          {"options", std::move(options)},
                                                          {"thread", h.thread},
                                                          {"levels", h.levels}});
    const auto size = static_cast<std::uint32_t>(text.size());
    std::string out(k_magic);
    out.append(reinterpret_cast<const char*>(&size), sizeof size);
    return out + text;
}

result<header> read_header(std::string_view& bytes) {
    if (!bytes.starts_with(k_magic))
        return bad_value("recording", "a file that begins with \"sigrun picks 1\"", "something else");
    bytes.remove_prefix(k_magic.size());
    std::uint32_t size = 0;
    if (bytes.size() < sizeof size) return bad_value("recording", "a header", "the end of the file");
    std::memcpy(&size, bytes.data(), sizeof size);
    bytes.remove_prefix(sizeof size);
    if (size > k_max_header || size > bytes.size())
        return bad_value("recording",
                         "a header of at most " + std::to_string(std::min(k_max_header, bytes.size())) + " bytes",
                         std::to_string(size) + " bytes");
    SIGRUN_TRY(document, parse_object(bytes.substr(0, size)));
    bytes.remove_prefix(size);
    header h;
    h.balancer = text_or(document, "balancer");
    h.plugin = text_or(document, "plugin");
    h.component = text_or(document, "component");
    h.thread = number_or<std::uint32_t>(document, "thread", 0);
    h.levels = bool_or(document, "levels", false);
    if (h.component.empty()) return bad_value("recording.component", "the id of a balancer's component", "none");
    if (const json::object* options = object_or_null(document, "options"))
        for (const auto& [key, value] : *options)
            if (value.is_string()) h.options.emplace(key, value.get_string());
    return h;
}

}  // namespace sigrun::picks
