#include "kernel/app/sigrun/context.hpp"

#include "kernel/app/sigrun/cell_text.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/guard/private_file.hpp"

#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <tuple>

namespace sigrun::cli {
namespace {
const std::string k_indent(8, ' ');
constexpr std::size_t k_max_token = 4096;
constexpr std::chrono::milliseconds k_first_patience{500};

/// The flags as the sections a program with a configuration file would have.
settings network_settings(const global_options& o) {
    config_section tls{"tls", "the command line", {}};
    for (const auto& [key, flag, value] :
         {std::tuple("ca", "--ca", o.ca), std::tuple("certificate", "--cert", o.certificate),
          std::tuple("key", "--cert-key", o.key)})
        if (!value.empty()) tls.values[key] = {value, flag};
    return settings::of({std::move(tls)});
}
}  // namespace

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

std::string context::token() const {
    if (!options.token.empty()) return options.token;
    if (auto text = around.variable("SIGRUN_TOKEN"); !text.empty()) return text;
    const auto file = around.variable("SIGRUN_TOKEN_FILE");
    if (file.empty()) return {};
    auto text = read_file(file, k_max_token);
    if (!text) throw failure(text.error(), "SIGRUN_TOKEN_FILE names a file with a token");
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r' || text->back() == ' ')) text->pop_back();
    return *text;
}

client::target context::target() const {
    return {daemon_url(options.url, around), plugins(), daemon_timeout(), token(), network_settings(options)};
}

client& context::daemon() {
    if (!client_) {
        waiter& waits_here = waits();  // before the plugins' threads: they inherit the signal mask
        client_ = std::make_unique<client>(target(), waits_here);
    }
    if (!client_->connected()) client_->connect();
    reached_ = true;
    return *client_;
}

json::object context::insist(std::string_view method, const json::object& params, std::string_view document) {
    using namespace std::chrono_literals;
    using std::chrono::steady_clock;
    std::optional<steady_clock::time_point> give_up;
    bool patient = false;
    for (auto pause = 100ms;; pause = std::min(pause * 2, 2000ms)) {
        try {
            return daemon().call_object(method, params, document);
        } catch (const failure& f) {
            if (f.from() != failure::source::transport) throw;
            // One that was never reached is not waited for, but for the moment in which a proxy in front of it is replaced.
            if (!give_up || (reached_ && !patient))
                give_up = steady_clock::now() + (reached_ ? daemon_timeout() : nanoseconds(k_first_patience));
            patient = reached_;
            if (steady_clock::now() + pause > *give_up) throw;
        }
        const auto until = steady_clock::now() + pause;
        while (steady_clock::now() < until)
            if (waits().wait_until(until) == waiter::outcome::interrupted)
                throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
    }
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
