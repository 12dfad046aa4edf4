#include "assets.hpp"

#include <array>
#include <cstdint>
#include <cstdio>

#ifdef SIGRUN_HAVE_DASHBOARD
extern "C" {
extern const char sigrun_ui_page[], sigrun_ui_page_end[], sigrun_ui_page_gz[], sigrun_ui_page_gz_end[];
extern const char sigrun_ui_script[], sigrun_ui_script_end[], sigrun_ui_script_gz[], sigrun_ui_script_gz_end[];
extern const char sigrun_ui_style[], sigrun_ui_style_end[], sigrun_ui_style_gz[], sigrun_ui_style_gz_end[];
}
#endif

namespace sigrun::http {

#ifdef SIGRUN_HAVE_DASHBOARD
namespace {

std::string_view between(const char* begin, const char* end) { return {begin, static_cast<std::size_t>(end - begin)}; }

// FNV-1a: of three files that nobody chooses to be alike.
std::string tag_of(std::string_view content) {
    std::uint64_t h = 0xcbf29ce484222325u;
    for (const char c : content) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    char text[24];
    std::snprintf(text, sizeof text, "\"%016llx\"", static_cast<unsigned long long>(h));
    return text;
}

std::array<asset, 3> all_assets() {
    std::array<asset, 3> all{{
        {"index.html", "text/html; charset=utf-8", between(sigrun_ui_page, sigrun_ui_page_end),
         between(sigrun_ui_page_gz, sigrun_ui_page_gz_end)},
        {"app.js", "text/javascript; charset=utf-8", between(sigrun_ui_script, sigrun_ui_script_end),
         between(sigrun_ui_script_gz, sigrun_ui_script_gz_end)},
        {"app.css", "text/css; charset=utf-8", between(sigrun_ui_style, sigrun_ui_style_end),
         between(sigrun_ui_style_gz, sigrun_ui_style_gz_end)},
    }};
    for (auto& each : all) {
        each.tag = tag_of(each.plain);
        each.forever = each.name != "index.html";
    }
    return all;
}

}  // namespace
#endif

const asset* find_asset([[maybe_unused]] std::string_view name) {
#ifdef SIGRUN_HAVE_DASHBOARD
    static const auto all = all_assets();
    for (const auto& each : all)
        if (each.name == name) return &each;
#endif
    return nullptr;
}

}  // namespace sigrun::http
