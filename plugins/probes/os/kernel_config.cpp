// The kernel's configuration: /proc/config.gz, else the file that distributions install beside the kernel.
#include "os_probe.hpp"

#include <zlib.h>

namespace sigrun::os {
namespace {

constexpr std::size_t k_max_text = 4 * 1024 * 1024;  // a whole one is a quarter of a megabyte

}  // namespace

std::optional<std::string> gunzip(std::string_view data, std::size_t limit) {
    z_stream stream{};
    constexpr int k_gzip_only = 16;
    if (data.size() > sdk::sysroot::k_max_file || ::inflateInit2(&stream, MAX_WBITS + k_gzip_only) != Z_OK)
        return std::nullopt;
    std::string out;
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(data.data()));
    stream.avail_in = static_cast<uInt>(data.size());
    int state = Z_OK;
    while (state == Z_OK && out.size() <= limit) {
        char room[16 * 1024];
        stream.next_out = reinterpret_cast<Bytef*>(room);
        stream.avail_out = sizeof room;
        state = ::inflate(&stream, Z_NO_FLUSH);
        out.append(room, sizeof room - stream.avail_out);
    }
    ::inflateEnd(&stream);
    if (state != Z_STREAM_END || out.size() > limit) return std::nullopt;
    return out;
}

std::unordered_map<std::string, char> parse_kernel_config(std::string_view text) {
    constexpr std::string_view k_prefix = "CONFIG_";
    constexpr std::size_t k_max_options = 50'000, k_max_name = 128;
    std::unordered_map<std::string, char> on;
    std::string_view line;
    while (sdk::next_line(text, line) && on.size() < k_max_options) {
        if (line.ends_with('\r')) line.remove_suffix(1);
        const bool set = line.starts_with(k_prefix) && (line.ends_with("=y") || line.ends_with("=m"));
        if (!set) continue;
        const auto name = line.substr(k_prefix.size(), line.size() - k_prefix.size() - 2);
        if (!name.empty() && name.size() <= k_max_name && name.find('=') == name.npos) on.emplace(name, line.back());
    }
    return on;
}

char kernel_config::option(std::string_view name) const {
    const auto at = on.find(std::string(name));
    return at == on.end() ? 'n' : at->second;
}

kernel_config read_kernel_config(const sdk::sysroot& root) {
    kernel_config config;
    config.file = root.read("/proc/config.gz");
    const auto take = [&](std::string_view text) {
        config.on = parse_kernel_config(text);
        if (config.known()) return;
        config.file.status = sdk::read_status::error;
        config.file.error = EBADMSG;
    };
    if (config.file) {
        take(gunzip(config.file.text, k_max_text).value_or(""));
        config.file.text.clear();
        return config;
    }
    const auto release = root.read("/proc/sys/kernel/osrelease", 256);
    const std::string name(release.trim());
    if (name.empty() || name.find('/') != name.npos) return config;
    for (const auto& path : {"/boot/config-" + name, "/lib/modules/" + name + "/config"}) {
        auto file = root.read(path);
        if (file.status == sdk::read_status::absent) continue;
        config.file = std::move(file);
        if (config.file) take(config.file.text);
        config.file.text.clear();
        return config;
    }
    return config;
}

}  // namespace sigrun::os
