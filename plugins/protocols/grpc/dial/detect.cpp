#include "dial/detect.hpp"

#include "dial/health_question.hpp"

#include <boost/json.hpp>

#include <algorithm>

namespace sigrun::grpc {

namespace {
namespace json = boost::json;
constexpr std::size_t k_samples = 7;
constexpr std::string_view k_serving[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};

/// One detection: lives in the callbacks of its connection until it has answered.
class detection : public std::enable_shared_from_this<detection> {
public:
    detection(std::uint64_t deadline, sdk::op op) : deadline_(deadline), op_(std::move(op)) {}

    void connected(const opened& made) {
        const bool ours = !made.connect_ns && (made.result == SIGRUN_E_UNSUPPORTED || made.result == SIGRUN_E_INVALID);
        if (made.result == SIGRUN_E_CANCELLED || made.result == SIGRUN_E_BUSY || ours)
            return op_.fail(made.result, made.why);
        if (!made.peer) return answer_no(made.why, made.connect_ns);
        peer_ = made.peer;
        peer_->end_at(deadline_);
        connect_ns_ = made.connect_ns;
        ask_health(peer_, "", [me = shared_from_this()](const health_answer& a) { me->on_health(a); });
    }

private:
    void answer_no(const std::string& why, std::uint64_t connect_ns) {
        json::object facts;
        facts["supported"] = false;
        // Who answers HTTP/1 to the preface of HTTP/2 has shown that it speaks HTTP.
        facts["http1"] = why.find("answered 'HTTP/1") != std::string::npos;
        if (connect_ns)
            facts["connect_us"] = static_cast<double>(connect_ns) / 1000.0;
        else
            facts["reached"] = false;
        facts["evidence"] = why;
        answer(facts);
    }
    void answer(const json::object& facts) {
        if (op_) op_.ok(json::serialize(facts));
        if (const auto old = std::exchange(peer_, nullptr))
            old->on().post([old] { old->end(SIGRUN_E_CANCELLED, NGHTTP2_NO_ERROR, "detection is done"); });
    }

    void on_health(const health_answer& a) {
        if (a.result != SIGRUN_OK)
            return answer_no(sdk::concat("HTTP/2 SETTINGS came, but no answer of the health service: ", a.why),
                             connect_ns_);
        if (!a.grpc)
            return answer_no(
                sdk::concat("HTTP/2, but no gRPC: the health service was answered with HTTP status ", a.http),
                connect_ns_);
        health_ = a;
        ask_health(peer_, "sigrun.v1.Sessions", [me = shared_from_this()](const health_answer& native) {
            me->native_ = native.result == SIGRUN_OK && native.grpc && native.what == code::ok;
            me->next_sample();
        });
    }

    void next_sample() {
        if (!peer_) return;
        const auto result = peer_->ping([me = shared_from_this()](sigrun_result answer, std::uint64_t rtt_ns) {
            if (answer != SIGRUN_OK)
                return me->answer_no(
                    "the health service answered, but PING was not: the connection ended or the deadline passed",
                    me->connect_ns_);
            me->samples_.push_back(rtt_ns);
            if (me->samples_.size() < k_samples) return me->next_sample();
            me->answer_yes();
        });
        if (result < 0) answer_no("the health service answered, but the connection ended before PING", connect_ns_);
    }

    void answer_yes() {
        std::sort(samples_.begin(), samples_.end());
        json::object facts;
        facts["supported"] = true;
        facts["version"] = "HTTP/2";
        facts["latency_us"] = static_cast<double>(samples_[samples_.size() / 2]) / 1000.0;
        facts["health_us"] = static_cast<double>(health_.took_ns) / 1000.0;
        facts["connect_us"] = static_cast<double>(connect_ns_) / 1000.0;
        const bool knows = health_.what == code::ok && health_.serving >= 0 && health_.serving < 4;
        facts["health"] = knows ? k_serving[health_.serving] : name_of(health_.what);
        json::array features;
        if (knows) features.emplace_back("health");
        if (native_) features.emplace_back("sessions");
        facts["features"] = std::move(features);
        facts["native"] = native_;
        facts["evidence"] =
            sdk::concat("SETTINGS, then grpc.health.v1.Health/Check -> ", name_of(health_.what),
                        knows ? sdk::concat(" (", k_serving[health_.serving], ")") : std::string(), "; median of ",
                        samples_.size(), " PING round trips, least ", samples_.front() / 1000, " us");
        answer(facts);
    }

    const std::uint64_t deadline_;
    sdk::op op_;
    std::shared_ptr<dialled> peer_;
    std::uint64_t connect_ns_ = 0;
    health_answer health_;
    bool native_ = false;
    std::vector<std::uint64_t> samples_;
};
}  // namespace

void detect(const dial_request& request, sdk::op done) {
    const auto run = std::make_shared<detection>(request.deadline, std::move(done));
    try {
        open_connection(request, [run](const opened& made) { run->connected(made); });
    } catch (const sdk::failure& f) {
        run->connected({nullptr, f.code(), f.what(), 0});
    }
}

}  // namespace sigrun::grpc
