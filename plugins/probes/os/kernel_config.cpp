// The kernel's configuration: /proc/config.gz, else the file that distributions install beside the kernel.
#include "os_probe.hpp"

#include <zlib.h>

namespace sigrun::os {
namespace {

constexpr std::size_t k_max_text = 4 * 1024 * 1024;  // a whole one is a quarter of a megabyte

/// A configuration has at least one option that is set.
bool is_config(std::string_view text) { return text.starts_with("CONFIG_") || text.find("\nCONFIG_") != text.npos; }

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

char kernel_config::option(std::string_view name) const {
    const std::string line = "CONFIG_" + std::string(name) + "=";
    for (auto at = text.find(line); at != text.npos; at = text.find(line, at + 1)) {
        if (at != 0 && text[at - 1] != '\n') continue;
        const char value = at + line.size() < text.size() ? text[at + line.size()] : 'n';
        const auto end = at + line.size() + 1;
        const bool single = end >= text.size() || text[end] == '\n' || text[end] == '\r';
        return single && (value == 'y' || value == 'm') ? value : 'n';
    }
    return 'n';
}

kernel_config read_kernel_config(const sdk::sysroot& root) {
    kernel_config config;
    config.file = root.read("/proc/config.gz");
    const auto broken = [&] {
        config.file.status = sdk::read_status::error;
        config.file.error = EBADMSG;
    };
    if (config.file) {
        if (auto text = gunzip(config.file.text, k_max_text); text && is_config(*text))
            config.text = std::move(*text);
        else
            broken();
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
        if (config.file && is_config(config.file.text))
            config.text = std::exchange(config.file.text, {});
        else if (config.file)
            broken();
        return config;
    }
    return config;
}

}  // namespace sigrun::os
