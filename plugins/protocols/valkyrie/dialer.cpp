#include "dialer.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace sigrun::valkyrie {

namespace {
constexpr std::size_t k_samples = 7;

/// One detection: lives in the callbacks of its connection until it has answered.
struct detection : std::enable_shared_from_this<detection> {
    core_ptr shared;
    sdk::op op;
    std::shared_ptr<connection> peer;
    std::vector<std::uint64_t> samples;

    void answer_no(const std::string& why) {
        boost::json::object facts;
        facts["supported"] = false;
        facts["evidence"] = why;
        answer(facts);
    }
    void answer(const boost::json::object& facts) {
        if (op) op.ok(boost::json::serialize(facts));
        if (auto old = std::exchange(peer, nullptr))
            old->on().post([old] { old->end(SIGRUN_E_CANCELLED, code::none, "detection is done"); });
    }
    void next_sample() {
        auto me = shared_from_this();
        auto result = peer->ping([me](sigrun_result answer, std::uint64_t rtt_ns) {
            if (answer != SIGRUN_OK)
                return me->answer_no(
                    "HELLO was answered, but PING was not: the connection ended or the deadline passed");
            me->samples.push_back(rtt_ns);
            if (me->samples.size() < k_samples) return me->next_sample();
            me->answer_yes();
        });
        if (result < 0) answer_no("HELLO was answered, but the connection ended before PING");
    }
    void answer_yes() {
        std::sort(samples.begin(), samples.end());
        auto median = static_cast<double>(samples[samples.size() / 2]) / 1000.0;
        boost::json::object facts;
        facts["supported"] = true;
        facts["version"] = "1";
        facts["latency_us"] = median;
        boost::json::array features;
        if (peer->features() & feature::crc32c) features.emplace_back("crc32c");
        facts["features"] = std::move(features);
        facts["evidence"] = sdk::concat("HELLO answered with the nonce; median of ", samples.size(),
                                        " PING round trips, least ", samples.front() / 1000, " us");
        answer(facts);
    }
};

/// A dial counts as a connection before it is one, so that an instance that goes waits for it.
std::shared_ptr<void> counted(const core_ptr& shared) {
    ++shared->connections;
    return {shared.get(), [shared](void*) { --shared->connections; }};
}

void connect_and_greet(
    const dial_request& request,
    std::function<void(const std::shared_ptr<connection>&, sigrun_result, const std::string&)> done) {
    auto shared = request.shared;
    auto* on = request.on;
    auto deadline = request.deadline;
    connector::start(
        *on, *request.names, request.where, deadline,
        [shared, on, deadline, done, counts = counted(shared)](int fd, sigrun_result result, std::string why) {
            if (fd < 0) return done(nullptr, result, why);
            auto made = std::make_shared<connection>(shared, *on, fd, origin{});
            // The connection is not captured by its own callback: that would be a cycle.
            std::weak_ptr<connection> weak = made;
            made->start(deadline,
                        [weak, done](sigrun_result ready, const std::string& text) { done(weak.lock(), ready, text); });
        });
}
}  // namespace

void open_link(const dial_request& request, const sigrun_sink& frames, sigrun_op token, sigrun_link* link) {
    auto host = request.shared->host;
    auto done = [host, token, link, frames](const std::shared_ptr<connection>& made, sigrun_result result,
                                            const std::string& why) {
        if (result == SIGRUN_OK) {
            link->connection = made;
            made->open_session(frames);
            host.complete(token, SIGRUN_OK);
        } else {
            delete link;
            host.complete_text(token, result, why);
        }
    };
    connect_and_greet(request, done);
}

void detect(const dial_request& request, sigrun_op token) {
    auto run = std::make_shared<detection>();
    run->shared = request.shared;
    run->op = sdk::op(request.shared->host, token);
    auto deadline = request.deadline;
    auto done = [run, deadline](const std::shared_ptr<connection>& made, sigrun_result result, const std::string& why) {
        if (result == SIGRUN_E_CANCELLED) return run->op.fail(result, why);
        if (result != SIGRUN_OK) return run->answer_no(why);
        run->peer = made;
        made->watch_until(deadline);
        run->next_sample();
    };
    connect_and_greet(request, done);
}

}  // namespace sigrun::valkyrie
