#include "dialer.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <unistd.h>

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

    void answer_no(const std::string& why, bool reached = true) {
        boost::json::object facts;
        facts["supported"] = false;
        if (!reached) facts["reached"] = false;
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

using greeted_fn = std::function<void(const std::shared_ptr<connection>&, sigrun_result, const std::string&)>;

void greet(const core_ptr& shared, loop& on, int fd, std::uint64_t deadline, const greeted_fn& done) {
    auto made = std::make_shared<connection>(shared, on, fd, origin{});
    // The connection is not captured by its own callback: that would be a cycle.
    std::weak_ptr<connection> weak = made;
    made->start(deadline,
                [weak, done](sigrun_result ready, const std::string& text) { done(weak.lock(), ready, text); });
}

/// `done` runs on the loop; if it has ended, on a thread of the host; if nothing can be dialled, before this returns.
void connect_and_greet(const dial_request& request, greeted_fn done) {
    sdk::net_target to;
    to.address = request.where.address();
    to.tls = request.where.tls;
    if (to.tls) to.alpn = k_alpn;
    to.options = request.options;
    to.deadline_ns = request.deadline;
    auto dialled = [shared = request.shared, on = request.on, deadline = request.deadline, done,
                    counts = counted(request.shared)](sigrun_result result, sdk::net_connection got, std::string why) {
        auto task = [=, keep = counts] {
            if (result != SIGRUN_OK) return done(nullptr, result, why);
            greet(shared, *on, got.fd, deadline, done);
        };
        if (on->post(task)) return;
        if (got.fd >= 0) close(got.fd);
        done(nullptr, SIGRUN_E_CANCELLED, "the plugin is stopping");
    };
    try {
        request.dials->dial(to, std::move(dialled));
    } catch (const sdk::failure& f) {
        done(nullptr, f.code(), f.what());
    }
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
        if (result != SIGRUN_OK) return run->answer_no(why, made != nullptr);
        run->peer = made;
        made->watch_until(deadline);
        run->next_sample();
    };
    connect_and_greet(request, done);
}

}  // namespace sigrun::valkyrie
