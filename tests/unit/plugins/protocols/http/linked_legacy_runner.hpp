// A stand-in legacy runner as a child process, and a link to it.
#pragma once

#include "raw_socket.hpp"
#include "sigrun/cpp/mock_host.hpp"
#include "sigrun/protocol.h"

#include <boost/json.hpp>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

namespace sigrun::http::testing {
namespace json = boost::json;

/// legacy_runner.py as a child process; it ends when its stdin is closed.
class legacy_runner {
public:
    explicit legacy_runner(const char* mode) {
        int in[2];
        int out[2];
        if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC)) throw std::runtime_error("pipe");
        const std::string script = SIGRUN_SOURCE_DIR "/tests/unit/plugins/protocols/http/legacy_runner.py";
        pid_ = fork();
        if (pid_ == 0) {
            dup2(in[0], 0);
            dup2(out[1], 1);
            execlp("python3", "python3", script.c_str(), mode, nullptr);
            _exit(127);
        }
        close(in[0]);
        close(out[1]);
        stdin_ = in[1];
        std::string line;
        for (char c; read(out[0], &c, 1) == 1 && c != '\n';) line += c;
        close(out[0]);
        port_ = static_cast<std::uint16_t>(std::stoi(line));
    }
    ~legacy_runner() {
        close(stdin_);
        waitpid(pid_, nullptr, 0);
    }
    std::string url() const { return sdk::concat("http://127.0.0.1:", port_); }
    json::value seen() const {
        auto s = raw_socket::tcp(port_);
        s.send("GET /seen HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        return json::parse(s.read_response().body);
    }
    /// Requests with this verb, in the order they came.
    std::vector<json::value> requests(std::string_view verb) const {
        std::vector<json::value> out;
        const auto all = seen();
        for (const auto& r : all.at("requests").as_array())
            if (r.at("verb").as_string() == verb) out.push_back(r);
        return out;
    }

private:
    pid_t pid_ = -1;
    int stdin_ = -1;
    std::uint16_t port_ = 0;
};

constexpr const char* k_fast = R"("poll_first":"5ms","poll_max":"20ms","retry_delay":"5ms")";

/// A link to a stand-in runner.
struct linked {
    explicit linked(const char* mode, const std::string& options = "{}") : runner(mode) {
        instance = host.start(host.create("http"));
        table = static_cast<const sigrun_protocol*>(instance->get_interface(instance, sdk::str(SIGRUN_KIND_PROTOCOL)));
        auto all = options == "{}" ? sdk::concat("{", k_fast, "}") : sdk::concat("{", k_fast, ",", options.substr(1));
        const auto uri = runner.url();
        const sigrun_endpoint where{sizeof where, 0, sdk::str(uri), sdk::str("rustci"), sdk::str(all), 0};
        const auto op = host.mint();
        EXPECT_EQ(table->dial->open(instance, &where, sink.abi(), op, &link), SIGRUN_PENDING);
        EXPECT_EQ(host.wait(op).result, SIGRUN_OK);
    }
    ~linked() {
        const auto op = host.mint();
        table->link->close(link, SIGRUN_OK, op);
        host.wait(op);
        host.destroy(instance);
        EXPECT_EQ(host.live_threads(), 0u);
        EXPECT_EQ(host.live_buffers(), 0u);
        EXPECT_EQ(host.open_ops(), 0u);
        EXPECT_FALSE(sink.overlapped());
    }
    sigrun_result offer(std::string_view document = R"({"command":["true"]})", std::string_view job = "job-1") {
        const sigrun_attempt attempt{sizeof attempt, 1, sdk::str(job), sdk::str("tok")};
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_OFFER;
        f.attempt = &attempt;
        f.json = sdk::str(document);
        return table->link->execute(link, &f);
    }
    /// The final STATE of a job that was offered.
    json::value final_state(std::string_view job = "job-1") {
        return json::parse(sink.wait_for(
                                   [&](const sdk::recorded_frame& f) {
                                       return f.kind == SIGRUN_STATE && (f.flags & SIGRUN_FRAME_LAST) && f.job == job;
                                   },
                                   std::chrono::seconds(30))
                               .json);
    }
    json::value run(std::string_view document = R"({"command":["true"]})") {
        EXPECT_EQ(offer(document), SIGRUN_OK);
        return final_state();
    }
    json::value refusal() {
        EXPECT_EQ(offer(), SIGRUN_OK);
        return json::parse(sink.wait_for([](const auto& f) { return f.kind == SIGRUN_ACK; }).json);
    }
    std::string output() {
        std::string out;
        for (const auto& f : sink.frames())
            if (f.kind == SIGRUN_LOG) {
                EXPECT_EQ(f.offset, out.size());
                EXPECT_EQ(f.stream, std::uint32_t{SIGRUN_STREAM_STDOUT});
                EXPECT_LE(f.payload.size(), SIGRUN_LOG_MAX);
                out += f.payload;
            }
        return out;
    }

    legacy_runner runner;
    sdk::mock_host host;
    sdk::recording_sink sink;
    sigrun_instance* instance = nullptr;
    const sigrun_protocol* table = nullptr;
    sigrun_link* link = nullptr;
};

}  // namespace sigrun::http::testing
