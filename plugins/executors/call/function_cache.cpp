#include "function_cache.hpp"

#include <boost/json.hpp>

#include <cstring>

namespace sigrun::call {
namespace {
namespace json = boost::json;

constexpr int k_not_found = 127;
constexpr std::size_t k_remembered = 2048;

// Trivial on purpose: a thread_local with a destructor would keep the plugin mapped after its unload.
struct last_document {
    std::size_t size;  // 0: nothing remembered
    const named_function* names;
    char text[k_remembered];
};
thread_local last_document t_last;

std::string known_names() {
    std::string all;
    for (const auto& f : functions()) all += (all.empty() ? "" : ", ") + std::string(f.name);
    return all;
}

const named_function& parse(std::string_view document) {
    boost::system::error_code ec;
    unsigned char room[4096];
    json::monotonic_resource memory(room, sizeof room);  // small documents stay on the stack
    json::parse_options options;
    options.max_depth = 32;
    json::value v = json::parse(document, ec, &memory, options);
    if (ec) throw lookup_error{"invalid", "job: expected a JSON object, found " + ec.message(), k_wrong_use};
    const auto* o = v.if_object();
    const auto* command = o ? o->if_contains("command") : nullptr;
    const auto* items = command ? command->if_array() : nullptr;
    if (!items || items->empty() || !(*items)[0].is_string())
        throw lookup_error{"invalid", "command: expected an array whose first text names a function", k_wrong_use};
    std::string_view name = (*items)[0].get_string();
    for (const auto& f : functions())
        if (f.name == name) return f;
    throw lookup_error{
        "not_found", sdk::concat("command[0]: expected one of ", known_names(), ", found \"", name.substr(0, 64), "\""),
        k_not_found};
}

}  // namespace

const named_function& find_function(std::string_view document) {
    auto& last = t_last;
    if (last.size == document.size() && last.size > 0 && std::memcmp(last.text, document.data(), last.size) == 0)
        return *last.names;
    const auto& found = parse(document);
    if (document.size() <= k_remembered) {
        std::memcpy(last.text, document.data(), document.size());
        last.size = document.size();
        last.names = &found;
    }
    return found;
}

}  // namespace sigrun::call
