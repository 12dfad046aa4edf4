#include "dial/health_question.hpp"

#include "grpc/health/v1/health.pb.h"
#include "wire/problem.hpp"

#include <charconv>

namespace sigrun::grpc {

namespace {
class question final : public stream {
public:
    question(const std::shared_ptr<dialled>& on, std::function<void(const health_answer&)> done)
        : stream(on), owner_(*on), done_(std::move(done)), sent_(now_ns()) {}

    void start(std::string_view service) {
        ::grpc::health::v1::HealthCheckRequest request;
        request.set_service(std::string(service));
        {
            std::lock_guard lock(owner_.mutex());
            put(framed_message(request));
            finish();
        }
        if (!owner_.submit(shared_from_this(), owner_.request_head("/grpc.health.v1.Health/Check", {})))
            on_closed(SIGRUN_E_IO, "the peer takes no request");
    }

    void on_headers(const fields& block, bool) override {
        if (const auto http = block.find(":status"); !http.empty()) answer_.http = shown(http);
        const auto given = block.find("grpc-status");
        if (given.empty()) return;
        int number = 2;
        std::from_chars(given.data(), given.data() + given.size(), number);
        answer_.grpc = true;
        answer_.what = number >= 0 && number <= 16 ? static_cast<code>(number) : code::unknown;
    }
    void on_message(std::string message) override {
        ::grpc::health::v1::HealthCheckResponse response;
        if (response.ParseFromString(message)) answer_.serving = response.status();
    }
    void on_malformed(const status& why) override {
        answer_.why = why.message;
        reset(NGHTTP2_PROTOCOL_ERROR);
    }
    void on_closed(sigrun_result result, const std::string& why) override {
        if (!answer_.grpc && answer_.http.empty()) {
            answer_.result = result == SIGRUN_OK ? SIGRUN_E_IO : result;
            answer_.why = why.empty() ? "the stream ended without an answer" : why;
        }
        answer_.took_ns = std::max<std::uint64_t>(now_ns() - sent_, 1);
        if (auto done = std::exchange(done_, nullptr)) done(answer_);
    }

private:
    dialled& owner_;
    std::function<void(const health_answer&)> done_;
    health_answer answer_;
    std::uint64_t sent_;
};
}  // namespace

void ask_health(const std::shared_ptr<dialled>& peer, std::string_view service,
                std::function<void(const health_answer&)> done) {
    std::make_shared<question>(peer, std::move(done))->start(service);
}

}  // namespace sigrun::grpc
