#include "kernel/net/span_exporter.hpp"

#include "kernel/log/loggers.hpp"

#include <sigrun/cpp/text.hpp>

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <future>
#include <memory>

namespace sigrun {
namespace {

constexpr auto k_gather = std::chrono::seconds(1);    // spans that come one after another go together
constexpr auto k_patience = std::chrono::seconds(2);  // for connecting, and for each send and receive
constexpr auto k_first_pause = std::chrono::seconds(1), k_longest_pause = std::chrono::seconds(30);

counter dropped(metrics& m, const char* why) {
    return m.get_counter("sigrun_trace_spans_dropped_total", "Spans that did not reach the collector, by reason",
                         {{"reason", why}});
}

bool wait_for(int fd, short what) {
    pollfd wait{fd, what, 0};
    return ::poll(&wait, 1, static_cast<int>(std::chrono::milliseconds(k_patience).count())) == 1;
}

bool send_all(int fd, std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n > 0)
            bytes.remove_prefix(static_cast<std::size_t>(n));
        else if ((n < 0 && errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLOUT))
            return false;
    }
    return true;
}

/// The status of the answer; 0: there was none. What follows the first line is of no interest.
int read_status(int fd) {
    std::string head;
    char room[512];
    while (head.find("\r\n") == std::string::npos && head.size() < 4096) {
        const auto n = ::recv(fd, room, sizeof room, 0);
        if (n > 0)
            head.append(room, static_cast<std::size_t>(n));
        else if (n == 0 || (errno != EAGAIN && errno != EINTR) || !wait_for(fd, POLLIN))
            return 0;
    }
    int status = 0;
    if (!head.starts_with("HTTP/1.") || head.size() < 12) return 0;
    std::from_chars(head.data() + 9, head.data() + 12, status);
    return status;
}

}  // namespace

result<collector_address> parse_collector(std::string_view url) {
    const auto wrong = [&] {
        return bad_value("trace.endpoint", "http://HOST:PORT/PATH or https, such as http://127.0.0.1:4318/v1/traces",
                         "\"" + std::string(url.substr(0, 200)) + "\"");
    };
    collector_address out;
    out.tls = url.starts_with("https://");
    if (!out.tls && !url.starts_with("http://")) return wrong();
    auto rest = url.substr(out.tls ? 8 : 7);
    const auto slash = rest.find('/');
    out.path = slash == std::string_view::npos ? "/v1/traces" : std::string(rest.substr(slash));
    rest = rest.substr(0, slash);
    // The last colon begins the port, unless it is within the brackets of an IPv6 address.
    const auto colon = rest.rfind(':');
    const bool has_port = colon != std::string_view::npos && rest.find(']', colon) == std::string_view::npos;
    const auto port = has_port ? rest.substr(colon + 1) : std::string_view("4318");
    const auto name = rest.substr(0, has_port ? colon : rest.size());
    std::uint16_t number = 0;
    const char* last = port.data() + port.size();
    if (name.empty() || std::from_chars(port.data(), last, number).ptr != last || !number) return wrong();
    if ((std::string(name) + out.path).find_first_of(" \r\n\t") != std::string::npos) return wrong();
    out.host = sdk::concat(name, ":", port);
    return out;
}

span_exporter::span_exporter(collector_address to, trace_resource from, metrics& numbers)
    : to_(std::move(to)),
      from_(std::move(from)),
      sent_(numbers.get_counter("sigrun_trace_spans_sent_total", "Spans that the collector took")),
      full_(dropped(numbers, "queue_full")),
      refused_(dropped(numbers, "refused")),
      lost_(dropped(numbers, "unreachable")),
      thread_([this](const std::stop_token& stop) {
          pthread_setname_np(pthread_self(), "sigrun-traces");
          run(stop);
      }) {}

span_exporter::~span_exporter() { stop(); }

void span_exporter::send(std::vector<trace_span> spans) {
    std::lock_guard lock(mutex_);
    if (waiting_.size() + spans.size() > k_queue) return full_.add(static_cast<double>(spans.size()));
    for (auto& s : spans) waiting_.push_back(std::move(s));
    news_.notify_one();
}

void span_exporter::stop() {
    if (!thread_.joinable()) return;
    thread_.request_stop();
    thread_.join();
}

void span_exporter::run(const std::stop_token& stop) {
    auto pause = k_first_pause;
    for (;;) {
        std::vector<trace_span> batch;
        {
            std::unique_lock lock(mutex_);
            news_.wait(lock, stop, [&] { return !waiting_.empty(); });
            if (waiting_.empty()) return;
            news_.wait_for(lock, stop, k_gather, [&] { return waiting_.size() >= k_batch; });
            const auto n = static_cast<std::ptrdiff_t>(std::min(waiting_.size(), k_batch));
            batch.assign(std::make_move_iterator(waiting_.begin()), std::make_move_iterator(waiting_.begin() + n));
            waiting_.erase(waiting_.begin(), waiting_.begin() + n);
        }
        const auto body = otlp_json(from_, batch);
        const auto n = static_cast<double>(batch.size());
        for (;;) {
            const auto what = post(body);
            if (what != outcome::unreachable) {
                (what == outcome::taken ? sent_ : refused_).add(n);
                told_ = false;
                pause = k_first_pause;
                break;
            }
            if (!std::exchange(told_, true))
                SIGRUN_LOG(logs::net, warning, "the collector of traces at ", to_.host,
                           " cannot be reached; it is tried again");
            std::unique_lock lock(mutex_);
            if (stop.stop_requested() || news_.wait_for(lock, stop, pause, [&] { return stop.stop_requested(); })) {
                lost_.add(n + static_cast<double>(waiting_.size()));
                return;
            }
            pause = std::min(2 * pause, k_longest_pause);
        }
    }
}

unique_fd span_exporter::connect() {
    dial_request to;
    to.address = to_.host;
    to.tls = to_.tls;
    to.deadline = clock::system().now() + k_patience;
    // The answer comes at the latest with the deadline, and finds the promise even if this thread has given up.
    auto made = std::make_shared<std::promise<unique_fd>>();
    auto answer = made->get_future();
    const auto begun =
        connections_.dial(to, [made](result<dialled> r) { made->set_value(r ? std::move(r->fd) : unique_fd()); });
    if (!begun || answer.wait_for(2 * k_patience) != std::future_status::ready) return {};
    return answer.get();
}

span_exporter::outcome span_exporter::post(const std::string& body) {
    const auto fd = connect();
    if (!fd) return outcome::unreachable;
    const auto head =
        sdk::concat("POST ", to_.path, " HTTP/1.1\r\nHost: ", to_.host,
                    "\r\nUser-Agent: Sigrun\r\nContent-Type: application/json\r\nContent-Length: ", body.size(),
                    "\r\nConnection: close\r\n\r\n");
    if (!send_all(fd.get(), head) || !send_all(fd.get(), body)) return outcome::unreachable;
    const int status = read_status(fd.get());
    // Those the specification of OTLP names as worth another try.
    if (status == 0 || status == 429 || status == 502 || status == 503 || status == 504) return outcome::unreachable;
    if (status >= 200 && status < 300) return outcome::taken;
    SIGRUN_LOG(logs::net, warning, "the collector of traces refuses spans with status ", status);
    return outcome::refused;
}

}  // namespace sigrun
