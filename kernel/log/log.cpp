#include "kernel/log/log.hpp"

#include "kernel/log/json_formatter.hpp"
#include "kernel/log/line_formatter.hpp"
#include "kernel/log/log_format.hpp"
#include "kernel/log/relay_channel.hpp"

#include <Poco/AsyncChannel.h>
#include <Poco/AutoPtr.h>
#include <Poco/ConsoleChannel.h>
#include <Poco/FileChannel.h>
#include <Poco/FormattingChannel.h>
#include <Poco/Logger.h>

#include <array>
#include <atomic>
#include <iostream>
#include <stdexcept>

namespace sigrun {
namespace {

// Constant-initialised, because loggers are made and asked while other files' statics are being initialised.
// One level for all loggers: Poco's own levels are plain ints, which a change at run time would race with.
std::atomic<int> g_level{static_cast<int>(log_level::info)};

std::atomic<log_format> g_format{log_format::text};

struct level_name {
    std::string_view text;
    log_level level;
    Poco::Message::Priority poco;
};
constexpr std::array<level_name, 5> k_levels{{
    {"error", log_level::error, Poco::Message::PRIO_ERROR},
    {"warning", log_level::warning, Poco::Message::PRIO_WARNING},
    {"info", log_level::info, Poco::Message::PRIO_INFORMATION},
    {"debug", log_level::debug, Poco::Message::PRIO_DEBUG},
    {"trace", log_level::trace, Poco::Message::PRIO_TRACE},
}};

// Lines waiting for the writing thread. When the disk cannot keep up, Poco drops lines and logs how many.
constexpr const char* k_queue_lines = "16384";

Poco::AutoPtr<Poco::Channel> formatted(Poco::AutoPtr<Poco::Channel> to) {
    if (g_format.load(std::memory_order_relaxed) == log_format::json)
        return new Poco::FormattingChannel(new json_formatter, to);
    return new Poco::FormattingChannel(new line_formatter, to);
}

Poco::AutoPtr<Poco::Channel> stderr_channel() { return formatted(new Poco::ConsoleChannel(std::cerr)); }

Poco::AutoPtr<Poco::Channel> file_channel(const std::string& path) {
    Poco::AutoPtr<Poco::FileChannel> file(new Poco::FileChannel(path));
    file->setProperty("rotation", "64 M");
    file->setProperty("archive", "number");
    file->setProperty("purgeCount", "4");
    file->setProperty("flush", "true");
    try {
        file->open();
    } catch (const Poco::Exception& e) {
        throw std::runtime_error("log file '" + path + "' cannot be opened: " + e.displayText());
    }
    return formatted(file);
}

// The channel that every logger writes to; never destroyed, since loggers are used until the very end of the
// process.
relay_channel& relay() {
    static relay_channel& instance = []() -> relay_channel& {
        auto* channel = new relay_channel(stderr_channel());
        Poco::Logger& root = Poco::Logger::root();
        root.setChannel(channel);
        root.setLevel(Poco::Message::PRIO_TRACE);
        return *channel;
    }();
    return instance;
}

}  // namespace

logger logger::get(std::string_view name) {
    relay();  // a logger inherits the root's channel when it is made
    return logger(&Poco::Logger::get(std::string(name)));
}

bool logger::enabled(log_level level) const noexcept {
    return static_cast<int>(level) <= g_level.load(std::memory_order_relaxed);
}

void logger::write(log_level level, const std::string& text) const {
    auto* poco = static_cast<Poco::Logger*>(poco_);
    auto index = static_cast<std::size_t>(static_cast<int>(level) - 1);
    if (index >= k_levels.size()) index = 0;
    try {
        poco->log(Poco::Message(poco->name(), text, k_levels[index].poco));
    } catch (const std::exception&) {
        // A line that cannot be written (disk full) must not stop the work it tells about.
    }
}

bool set_log_format(std::string_view name) noexcept {
    if (name != "text" && name != "json") return false;
    g_format = name == "json" ? log_format::json : log_format::text;
    return true;
}

void start_logging(const log_settings& settings) {
    auto target = settings.file.empty() ? stderr_channel() : file_channel(settings.file);
    Poco::AutoPtr<Poco::AsyncChannel> async(new Poco::AsyncChannel(target));
    async->setProperty("queueSize", k_queue_lines);
    async->open();
    set_log_level(settings.level);
    relay().retarget(async);
}

void stop_logging() { relay().retarget(stderr_channel()); }

void set_log_level(log_level level) noexcept { g_level.store(static_cast<int>(level), std::memory_order_relaxed); }

bool parse_log_level(std::string_view text, log_level& out) noexcept {
    for (const auto& known : k_levels)
        if (known.text == text) {
            out = known.level;
            return true;
        }
    return false;
}

}  // namespace sigrun
