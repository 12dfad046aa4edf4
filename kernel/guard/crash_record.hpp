// One crash as the dying process wrote it down: a line of key=value words, because the handler of a fatal signal can write
// little more than that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sigrun {

struct crash_record {
    std::int64_t wall_ns = 0;  // the wall clock, which may have been wrong
    std::int64_t up_ns = 0;    // since the machine's boot; comparable within one `boot` only
    std::string boot;          // the kernel's id of that boot
    std::int64_t pid = 0;
    int signal = 0;
    std::string blame;  // plugin, program, sent (by another process) or unknown
    std::string plugin, version, sha256;
    std::uint64_t generation = 0;
    std::string how;    // pc, stack, scan or loading: what the blame rests on
    std::string at;     // "test.plain-g3-0123.so+0x1139"
    std::string outer;  // a plugin further out on the stack, when it is not the one to blame

    bool of_plugin() const noexcept { return blame == "plugin"; }
    /// "SIGSEGV at test.plain-g3-0123.so+0x1139"
    std::string text() const;
};

/// Nothing if the line is not whole. Unknown words are skipped.
std::optional<crash_record> parse_crash(std::string_view line);
/// Of every whole line.
std::vector<crash_record> parse_crashes(std::string_view file);

/// "SIGSEGV"; safe in a handler.
const char* signal_name(int signal) noexcept;

}  // namespace sigrun
