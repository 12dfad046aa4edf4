#include "kernel/guard/crash_record.hpp"

#include <signal.h>

#include <charconv>

namespace sigrun {
namespace {

template <class Number>
void read_number(std::string_view text, Number& to) {
    std::from_chars(text.data(), text.data() + text.size(), to);
}

}  // namespace

const char* signal_name(int signal) noexcept {
    switch (signal) {
        case SIGSEGV: return "SIGSEGV";
        case SIGBUS: return "SIGBUS";
        case SIGILL: return "SIGILL";
        case SIGFPE: return "SIGFPE";
        case SIGABRT: return "SIGABRT";
        default: return "a signal";
    }
}

std::string crash_record::text() const {
    std::string out = signal_name(signal);
    if (!at.empty()) out += " at " + at;
    return out;
}

std::optional<crash_record> parse_crash(std::string_view line) {
    crash_record out;
    bool whole = false;
    while (!line.empty()) {
        const auto space = line.find(' ');
        const auto word = line.substr(0, space);
        line = space == line.npos ? std::string_view() : line.substr(space + 1);
        const auto equals = word.find('=');
        if (equals == word.npos) {
            whole = word == "end" && line.empty();
            continue;
        }
        const auto key = word.substr(0, equals), value = word.substr(equals + 1);
        if (key == "time") read_number(value, out.wall_ns);
        if (key == "up") read_number(value, out.up_ns);
        if (key == "boot") out.boot = value;
        if (key == "pid") read_number(value, out.pid);
        if (key == "signal") read_number(value, out.signal);
        if (key == "blame") out.blame = value;
        if (key == "plugin") out.plugin = value;
        if (key == "version") out.version = value;
        if (key == "sha256") out.sha256 = value;
        if (key == "generation") read_number(value, out.generation);
        if (key == "how") out.how = value;
        if (key == "at") out.at = value;
        if (key == "outer") out.outer = value;
    }
    if (!whole || out.blame.empty() || !out.signal) return std::nullopt;
    if (out.of_plugin() && (out.plugin.empty() || out.sha256.empty())) return std::nullopt;
    return out;
}

std::vector<crash_record> parse_crashes(std::string_view file) {
    std::vector<crash_record> out;
    for (std::size_t end; (end = file.find('\n')) != file.npos; file.remove_prefix(end + 1))
        if (auto one = parse_crash(file.substr(0, end))) out.push_back(std::move(*one));
    return out;
}

}  // namespace sigrun
