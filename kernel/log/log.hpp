// The logging facade over Poco::Logger. Never on the selection hot path.
//
//   SIGRUN_LOG(logs::fleet, info, "runner ", name, " connected over ", protocol);  // loggers.hpp
#pragma once

#include <sigrun/cpp/text.hpp>

#include <string>
#include <string_view>

namespace sigrun {

/// Same numbers as SIGRUN_LOG_* of the ABI.
enum class log_level : int { error = 1, warning = 2, info = 3, debug = 4, trace = 5 };

/// A named source of log lines; a pointer in size. [any]
class logger {
public:
    static logger get(std::string_view name);
    bool enabled(log_level level) const noexcept;  // wait-free
    void write(log_level level, const std::string& text) const;

private:
    explicit logger(void* poco) noexcept : poco_(poco) {}
    void* poco_;
};

struct log_settings {
    log_level level = log_level::info;
    std::string file;  // empty = stderr
};
/// Once at start; lines are written by a thread of their own. stop_logging flushes and returns to plain
/// stderr. Throws std::runtime_error if the file cannot be opened. The file is rotated at 64 MiB; four old
/// ones are kept.
void start_logging(const log_settings& settings);
void stop_logging();
void set_log_level(log_level level) noexcept;
/// "error", "warning", "info", "debug", "trace"; false if unknown.
bool parse_log_level(std::string_view text, log_level& out) noexcept;

}  // namespace sigrun

#define SIGRUN_LOG(logger_, level_, ...)                                                      \
    do {                                                                                      \
        if ((logger_).enabled(::sigrun::log_level::level_))                                   \
            (logger_).write(::sigrun::log_level::level_, ::sigrun::sdk::concat(__VA_ARGS__)); \
    } while (false)
