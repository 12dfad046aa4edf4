// A legacy HTTP runner (endpoint `profile = rustci`) whose jobs end at once, and a client that asks for the same two requests
// for each job as Sigrun does: POST /jobs, then GET /jobs/{id}. One thread each, Beast.
//   peer_legacy backend | client PORT OUTSTANDING SECONDS
#include "closed_loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

#include <memory>
#include <string>

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t k_uuid = 36;

tcp::endpoint loopback(int port) { return {asio::ip::address_v4::loopback(), static_cast<std::uint16_t>(port)}; }

/// The text of `"job_id":"..."`, empty if there is none.
std::string_view job_id_in(std::string_view body) {
    constexpr std::string_view k_member = "\"job_id\":\"";
    const auto at = body.find(k_member);
    return at == std::string_view::npos ? std::string_view() : body.substr(at + k_member.size(), k_uuid);
}

class served : public std::enable_shared_from_this<served> {
public:
    explicit served(tcp::socket socket) : socket_(std::move(socket)) { socket_.set_option(tcp::no_delay(true)); }
    void next() {
        request_ = {};
        http::async_read(socket_, in_, request_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->answer();
        });
    }

private:
    void answer() {
        constexpr std::string_view k_jobs = "/jobs/";
        const std::string_view target(request_.target().data(), request_.target().size());
        response_ = {http::status::ok, 11};
        response_.set(http::field::content_type, "application/json");
        if (request_.method() == http::verb::post && target == "/jobs") {
            response_.result(http::status::accepted);
            response_.body() =
                "{\"job_id\":\"" + std::string(job_id_in(request_.body())) + "\",\"status\":\"completed\"}";
        } else if (target.substr(0, k_jobs.size()) == k_jobs) {
            response_.body() = "{\"job_id\":\"" + std::string(target.substr(k_jobs.size())) +
                               R"(","status":"completed","started_at":"2026-01-05T10:00:00Z",)"
                               R"("completed_at":"2026-01-05T10:00:00Z","result":{"exit_code":0,"output":"hello\n",)"
                               R"("artifacts":[],"execution_time":0,"resource_usage":{"cpu_time":0,)"
                               R"("memory_peak":0,"storage_used":0,"network_bytes":0}}})";
        } else if (target != "/health") {
            response_.result(http::status::not_found);
        }
        response_.prepare_payload();
        if (request_.method() == http::verb::head) response_.body().clear();
        http::async_write(socket_, response_, [self = shared_from_this()](error_code ec, std::size_t) {
            if (!ec) self->next();
        });
    }

    tcp::socket socket_;
    boost::beast::flat_buffer in_;
    http::request<http::string_body> request_;
    http::response<http::string_body> response_;
};

void serve() {
    asio::io_context loop(1);
    tcp::acceptor door(loop, loopback(0));
    peers::tell_port(door.local_endpoint().port());
    auto accept = [&](auto& again) -> void {
        door.async_accept([&](error_code ec, tcp::socket socket) {
            if (ec) return;
            std::make_shared<served>(std::move(socket))->next();
            again(again);
        });
    };
    accept(accept);
    loop.run();
}

struct measurement {
    peers::clock::time_point until;
    peers::latencies seen;
    std::uint64_t errors = 0;
    std::uint64_t last_job = 0;
};

class caller : public std::enable_shared_from_this<caller> {
public:
    caller(asio::io_context& loop, const peers::load& wanted, measurement& into) : socket_(loop), into_(into) {
        socket_.connect(loopback(wanted.port));
        socket_.set_option(tcp::no_delay(true));
    }
    void next() {
        began_ = peers::clock::now();
        if (began_ >= into_.until) return;
        char id[k_uuid + 1];
        std::snprintf(id, sizeof id, "00000000-0000-5000-8000-%012llx",
                      static_cast<unsigned long long>(++into_.last_job));
        id_ = id;
        request_ = {http::verb::post, "/jobs", 11};
        request_.set(http::field::content_type, "application/json");
        // As long as what Sigrun writes for the command `true`, with `payload = empty`.
        request_.body() =
            "{\"job_id\":\"" + id_ +
            R"(","job_type":"Build","priority":2,"timeout":null,"payload":{"Small":[]},)"
            R"("requirements":{"cpu_cores":null,"memory_mb":null,"storage_gb":null,"gpu_count":null,)"
            R"("max_execution_time":null,"required_capabilities":[]},)"
            R"("metadata":{"sigrun.job":"0190c2f0-0000-7000-8000-000000000000","sigrun.attempt":"1",)"
            R"("sigrun.token":"0000000000000000000000000000000000000000"},)"
            R"("steps":[{"name":"true","command":"true","args":[],"working_directory":null,"environment":{},)"
            R"("timeout":null,"continue_on_error":false}]})";
        ask([](caller& c) { c.ask_status(); });
    }

private:
    void ask_status() {
        if (response_.result() != http::status::accepted) return void(++into_.errors);
        request_ = {http::verb::get, "/jobs/" + id_, 11};
        ask([](caller& c) { c.finish(); });
    }
    void finish() {
        if (response_.result() != http::status::ok || job_id_in(response_.body()) != id_) return void(++into_.errors);
        into_.seen.add(began_, peers::clock::now());
        next();
    }
    void ask(void (*then)(caller&)) {
        request_.set(http::field::host, "127.0.0.1");
        request_.prepare_payload();
        http::async_write(socket_, request_, [self = shared_from_this(), then](error_code ec, std::size_t) {
            if (ec) return void(++self->into_.errors);
            self->response_ = {};
            http::async_read(self->socket_, self->in_, self->response_, [self, then](error_code failed, std::size_t) {
                if (failed) return void(++self->into_.errors);
                then(*self);
            });
        });
    }

    tcp::socket socket_;
    measurement& into_;
    std::string id_;
    boost::beast::flat_buffer in_;
    http::request<http::string_body> request_;
    http::response<http::string_body> response_;
    peers::clock::time_point began_;
};

void measure(const peers::load& wanted) {
    asio::io_context loop(1);
    measurement into;
    std::vector<std::shared_ptr<caller>> callers;
    for (int i = 0; i < wanted.outstanding; ++i) callers.push_back(std::make_shared<caller>(loop, wanted, into));
    const auto begin = peers::clock::now();
    into.until =
        begin + std::chrono::duration_cast<peers::clock::duration>(std::chrono::duration<double>(wanted.seconds));
    for (const auto& each : callers) each->next();
    loop.run();
    into.seen.print(std::chrono::duration<double>(peers::clock::now() - begin).count(), into.errors);
}

}  // namespace

int main(int argc, char** argv) {
    const auto mine = peers::parse_part(argc, argv);
    if (mine.is == peers::role::client)
        measure(mine.wanted);
    else
        serve();
}
