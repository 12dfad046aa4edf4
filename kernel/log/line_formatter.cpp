#include "kernel/log/line_formatter.hpp"

#include "kernel/base/clock.hpp"
#include "kernel/log/level_text.hpp"

#include <string_view>

namespace sigrun {
namespace {

void append_escaped(std::string& line, std::string_view text) {
    constexpr char hex[] = "0123456789abcdef";
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (c == '\n') {
            line += "\\n";
        } else if (c == '\r') {
            line += "\\r";
        } else if ((byte < 0x20 && c != '\t') || byte == 0x7f) {
            line += "\\x";
            line += hex[byte >> 4];
            line += hex[byte & 15];
        } else {
            line += c;
        }
    }
}

}  // namespace

std::string_view level_text(Poco::Message::Priority priority) noexcept {
    switch (priority) {
        case Poco::Message::PRIO_FATAL:
        case Poco::Message::PRIO_CRITICAL:
        case Poco::Message::PRIO_ERROR: return "error";
        case Poco::Message::PRIO_WARNING: return "warning";
        case Poco::Message::PRIO_NOTICE:
        case Poco::Message::PRIO_INFORMATION: return "info";
        case Poco::Message::PRIO_DEBUG: return "debug";
        case Poco::Message::PRIO_TRACE: return "trace";
    }
    return "info";
}

void line_formatter::format(const Poco::Message& message, std::string& line) {
    line += to_rfc3339(message.getTime().epochMicroseconds() * 1000);
    line += ' ';
    line += level_text(message.getPriority());
    line += ' ';
    append_escaped(line, message.getSource());
    line += ": ";
    append_escaped(line, message.getText());
}

}  // namespace sigrun
