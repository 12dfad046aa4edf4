#include "kernel/app/sigrun/context.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/base/quantity.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace sigrun::cli {
namespace {
const std::string k_indent(8, ' ');
}

const terminal& context::out() {
    if (!out_) out_ = terminal::of(STDOUT_FILENO, options.no_color);
    return *out_;
}

const terminal& context::err() {
    if (!err_) err_ = terminal::of(STDERR_FILENO, options.no_color);
    return *err_;
}

waiter& context::waits() {
    if (!waits_) waits_ = std::make_unique<waiter>();
    return *waits_;
}

nanoseconds context::daemon_timeout() const {
    auto timeout = parse_duration(options.timeout);
    if (!timeout || timeout->count() <= 0)
        throw failure(bad_value("--timeout", "a duration such as 30s", "\"" + options.timeout + "\""));
    return *timeout;
}

client& context::daemon() {
    if (!client_) {
        waiter& waits_here = waits();  // before the plugins' threads: they inherit the signal mask
        client_ = std::make_unique<client>(client::target{daemon_url(options.url, around), plugins(), daemon_timeout()},
                                           waits_here);
    }
    if (!client_->connected()) client_->connect();
    return *client_;
}

void context::print(std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(STDOUT_FILENO, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EPIPE) throw reader_gone{};
        if (n < 0) throw std::system_error(errno, std::generic_category(), "cannot write to stdout");
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

void context::note(std::string_view text) {
    const std::string line = "sigrun: " + printable(text) + "\n";
    // Nowhere else to report that stderr is closed.
    [[maybe_unused]] const auto n = ::write(STDERR_FILENO, line.data(), line.size());
}

void context::complain(const failure& f) {
    std::string text = err().paint("sigrun:", style::bad);
    // Problems of requirements bring the expression and a caret as lines of their own.
    std::string_view rest = f.what();
    for (bool first = true; first || !rest.empty(); first = false) {
        const auto end = rest.find('\n');
        text += (first ? " " : k_indent) + printable(rest.substr(0, end)) + "\n";
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
    const auto retry = f.what_happened().retry_after_ms;
    for (std::string_view hint = f.hint(); !hint.empty();) {
        const auto end = hint.find('\n');
        text += k_indent + printable(hint.substr(0, end)) + "\n";
        hint.remove_prefix(end == std::string_view::npos ? hint.size() : end + 1);
    }
    if (retry) text += k_indent + "try again in " + format_duration(std::chrono::milliseconds(retry)) + "\n";
    [[maybe_unused]] const auto n = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace sigrun::cli
