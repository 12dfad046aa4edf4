#include "connection.hpp"

#include "json_field.hpp"
#include "words.hpp"

#include <sigrun/cpp/fact_writer.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace line {

using namespace sigrun::sdk;

namespace {
constexpr std::size_t k_enough_output = 64 * 1024;  // more waits until the client has read
constexpr std::chrono::seconds k_goodbye_time{2};   // for the client to read the last lines

std::string problem_text(const std::string& json) {
    auto detail = json_field(json, "detail");
    return detail && !detail->empty() ? *detail : json_field(json, "title").value_or(json);
}
}  // namespace

connection::connection(const surroundings& around, int fd, std::uint64_t session, op lifetime)
    : around_(around), fd_(fd), session_(session), lifetime_(std::move(lifetime)) {}

connection::~connection() { lifetime_.ok(); }

short connection::wanted() const noexcept {
    // While a command runs no further line is read, unless to notice that the client went away.
    const bool reads = !peer_done_ && in_.size() <= around_.max_line;
    return static_cast<short>((reads ? POLLIN : 0) | (out_.empty() ? 0 : POLLOUT));
}

void connection::ready(short events) {
    if (fd_ >= 0 && (events & (POLLERR | POLLNVAL))) return cut();
    if (fd_ >= 0 && (events & (POLLIN | POLLHUP)) && !peer_done_) read();
    if (fd_ >= 0 && (events & POLLHUP) && peer_done_) return cut();  // both directions are gone: nobody reads an answer
    if (fd_ >= 0 && (events & POLLOUT)) flush();
}

void connection::read() {
    char room[16 * 1024];
    const auto got = ::recv(fd_, room, sizeof room, 0);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got < 0) return cut();
    if (got == 0) peer_done_ = true;
    if (closing_) return;  // thrown away; look() ends it
    in_.append(room, static_cast<std::size_t>(got));
    take_lines();
}

void connection::take_lines() {
    while (!call_ && fd_ >= 0 && !closing_) {
        const auto end = in_.find('\n');
        if (end == std::string::npos) break;
        std::string text = in_.substr(0, end);
        in_.erase(0, end + 1);
        if (!text.empty() && text.back() == '\r') text.pop_back();
        take(text);
    }
    if (call_ || fd_ < 0 || closing_) return;
    if (in_.size() > around_.max_line) {
        say(concat("error a line has more than ", around_.max_line, " bytes"));
        return say_goodbye();
    }
    if (retiring_) {
        say("bye reconnect");
        return say_goodbye();
    }
    if (peer_done_) say_goodbye();
}

void connection::take(std::string_view text) {
    if (!greeted_) {
        greeted_ = true;  // recognise has seen that it is the greeting
        return;
    }
    const auto space = text.find(' ');
    const auto word = text.substr(0, space);
    const auto arguments = space == text.npos ? std::string_view() : text.substr(space + 1);
    if (word == "RUN") return run(arguments);
    if (word == "PING") return say("pong");
    if (word == "QUIT") return say_goodbye();
    if (word == "HELP") {
        std::string all = "commands RUN PING HELP QUIT";
        for (const auto& each : around_.commands.words()) all += " " + each;
        return say(all);
    }
    const line_reply reply{sizeof reply, 0, this, [](void* self, sigrun_str said) noexcept {
                               guarded(nullptr, [&] { static_cast<connection*>(self)->say(view(said)); });
                           }};
    const auto answered = around_.commands.answer(word, arguments, reply);
    if (!answered) return say("error unknown command; HELP lists them");
    if (*answered < 0) say(concat("error result ", *answered));
}

void connection::run(std::string_view arguments) {
    const auto command = split_words(arguments);
    if (!command) return say("error a quote is not closed");
    if (command->empty()) return say("error RUN needs a command");
    call("jobs.submit", "{}", job_document(*command), [this](const reply& r) {
        if (!r.last) return;
        call_.reset();
        const auto id = json_field(r.json, "id");
        if (r.error || !id) {
            say("error " + problem_text(r.json));
            return idle();
        }
        say("job " + *id);
        follow(*id);
    });
}

void connection::follow(const std::string& id) {
    call("jobs.logs", concat("{\"id\":", json_text(id), ",\"follow\":true}"), {}, [this, id](const reply& r) {
        if (!r.last) return show_output(r);
        call_.reset();
        for (int i : {0, 1})
            if (!partial_[i].empty()) say((i ? "err " : "out ") + std::exchange(partial_[i], {}));
        show_result(id);
    });
}

void connection::show_output(const reply& r) {
    const auto stream = json_field(r.json, "stream").value_or("");
    const int which = stream == "stderr";
    auto& waiting = partial_[which];
    waiting += r.payload;
    for (auto end = waiting.find('\n'); end != std::string::npos; end = waiting.find('\n')) {
        say((which ? "err " : "out ") + waiting.substr(0, end));
        waiting.erase(0, end + 1);
    }
    if (waiting.size() > around_.max_line) say((which ? "err " : "out ") + std::exchange(waiting, {}));
    if (call_ && out_.size() < k_enough_output) call_->credit();
}

void connection::show_result(const std::string& id) {
    call("jobs.get", concat("{\"id\":", json_text(id), "}"), {}, [this](const reply& r) {
        if (!r.last) return;
        call_.reset();
        const auto code = json_field(r.json, "exit_code"), failure = json_field(r.json, "failure");
        if (r.error)
            say("error " + problem_text(r.json));
        else if (code && *code != "null")
            say("exit " + *code);
        else
            say(concat("failed ", json_field(r.json, "state").value_or("unknown"), " ",
                       failure ? json_field(*failure, "message").value_or("") : ""));
        idle();
    });
}

void connection::call(std::string_view method, std::string_view params, std::string_view document,
                      std::function<void(const reply&)> on_reply) {
    call_ = std::make_shared<method_call>(around_.host, around_.thread, around_.live_calls);
    call_->begin(session_, method, params, document,
                 [self = shared_from_this(), then = std::move(on_reply)](const reply& r) { then(r); });
}

void connection::idle() { take_lines(); }

void connection::say(std::string_view text) {
    if (fd_ < 0) return;
    out_.append(text);
    out_ += '\n';
    flush();
}

void connection::flush() {
    while (!out_.empty()) {
        const auto sent = ::send(fd_, out_.data(), out_.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) return cut();
        out_.erase(0, static_cast<std::size_t>(sent));
    }
    if (call_) call_->credit();
    if (closing_) ::shutdown(fd_, SHUT_WR);
}

void connection::retire() {
    retiring_ = true;
    if (!call_) take_lines();
}

// The last lines must reach the client: a socket that is closed with unread bytes in it takes them back.
void connection::say_goodbye() {
    if (closing_) return;
    closing_ = true;
    close_at_ = std::chrono::steady_clock::now() + k_goodbye_time;
    in_.clear();
    if (peer_done_ && out_.empty()) return cut();
    if (out_.empty()) ::shutdown(fd_, SHUT_WR);
}

void connection::look() {
    if (fd_ < 0 || !closing_) return;
    if ((peer_done_ && out_.empty()) || std::chrono::steady_clock::now() > close_at_) cut();
}

void connection::cut() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    out_.clear();
    in_.clear();
    if (call_) std::exchange(call_, nullptr)->abandon();
}

}  // namespace line
