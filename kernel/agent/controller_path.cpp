#include "kernel/agent/controller_path.hpp"

#include "kernel/base/json.hpp"
#include "kernel/base/noise.hpp"
#include "kernel/plugin/buffer.hpp"

#include <sigrun/cpp/text.hpp>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

namespace sigrun {
namespace {

constexpr std::size_t k_pings = 20;
constexpr int k_calls = 3;
constexpr std::uint64_t k_transfer_bytes = 256 << 10;
constexpr std::string_view k_method = "path.measure";

/// Whether some interface of this machine has it.
bool is_own_address(const std::string& text) {
    std::array<unsigned char, sizeof(in6_addr)> wanted{};
    const bool v6 = ::inet_pton(AF_INET6, text.c_str(), wanted.data()) == 1;
    if (!v6 && ::inet_pton(AF_INET, text.c_str(), wanted.data()) != 1) return false;
    // A socket for both families shows 192.0.2.1 as ::ffff:192.0.2.1.
    const auto* v4 =
        v6 ? IN6_IS_ADDR_V4MAPPED(reinterpret_cast<const in6_addr*>(wanted.data())) ? wanted.data() + 12 : nullptr
           : wanted.data();
    if (v4 && v4[0] == 127) return true;
    ifaddrs* first = nullptr;
    if (::getifaddrs(&first) != 0) return false;
    bool own = false;
    for (const auto* at = first; at && !own; at = at->ifa_next) {
        if (!at->ifa_addr) continue;
        if (v4 && at->ifa_addr->sa_family == AF_INET)
            own = std::memcmp(&reinterpret_cast<const sockaddr_in*>(at->ifa_addr)->sin_addr, v4, 4) == 0;
        if (!v4 && at->ifa_addr->sa_family == AF_INET6)
            own = std::memcmp(&reinterpret_cast<const sockaddr_in6*>(at->ifa_addr)->sin6_addr, wanted.data(),
                              wanted.size()) == 0;
    }
    ::freeifaddrs(first);
    return own;
}

class path_measurement : public std::enable_shared_from_this<path_measurement> {
public:
    path_measurement(boost::asio::io_context& io, link_ptr over, const path_request& what,
                     std::function<void(path_figures)> done)
        : io_(io), link_(std::move(over)), what_(what), limit_(io), done_(std::move(done)) {
        found_.over = link_->protocol_name();
        found_.no_round_trips = found_.no_clock = "no answer within the time for it";
    }

    void start() {
        limit_.expires_after(what_.limit);
        limit_.async_wait([self = shared_from_this()](boost::system::error_code ec) {
            if (!ec) self->finish();
        });
        ping();
    }

private:
    // Links call on threads of their own, and may let go of what they call long after that: the answer takes this along to the
    // I/O thread, where it ends, and leaves nothing of it behind.
    void ping() {
        link_->ping([self = shared_from_this(), begun = clock::system().now()](const result<buffer_ref>& r) mutable {
            pinged(std::move(self), r, clock::system().now() - begun);
        });
    }
    static void pinged(std::shared_ptr<path_measurement> me, const result<buffer_ref>& answer, nanoseconds took) {
        auto& io = me->io_;
        boost::asio::post(io, [self = std::move(me), took, failure = answer ? "" : answer.error().text()] {
            if (!self->done_) return;
            if (!failure.empty()) {
                self->found_.no_round_trips = failure;
                return self->ask_the_time();
            }
            auto& trips = self->found_.round_trips;
            trips.insert(std::upper_bound(trips.begin(), trips.end(), took), took);
            trips.size() < k_pings ? self->ping() : self->ask_the_time();
        });
    }

    /// One call of the method; `next` runs with how long it took and what it said.
    void call(std::uint64_t up, std::uint64_t down,
              std::function<void(nanoseconds, const result<json::object>&)> next) {
        auto payload = up ? buffer_ref::with_capacity(up) : buffer_ref();
        if (up) {
            fill_with_noise({payload.get()->bytes(), up});
            payload.get()->length = up;
        }
        auto answer =
            std::make_shared<result<json::object>>(make_problem(errc::internal, "the controller sent no reply"));
        auto replies = [answer, down](const reply_view& r) {
            if (r.error)
                *answer = problem::from_json(r.json);
            else if (down && (!r.payload || r.payload->length != down))
                *answer = make_problem(errc::internal, "the controller sent another amount than it was asked for");
            else
                *answer = parse_object(r.json);
            return SIGRUN_OK;
        };
        auto ended = [self = shared_from_this(), answer, next = std::move(next),
                      begun = clock::system().now()](const result<void>& r) mutable {
            const auto took = clock::system().now() - begun;
            if (!r) *answer = r.error();
            auto& io = self->io_;
            boost::asio::post(io, [self = std::move(self), took, answer, next] {
                if (self->done_) next(took, *answer);
            });
        };
        const auto params = down ? sdk::concat(R"({"bytes":)", down, "}") : std::string();
        link_->call(k_method, params, "", payload.get(), std::move(replies), std::move(ended));
    }

    void ask_the_time() {
        const auto sent = clock::system().wall_ns();
        call(0, 0, [this, sent](nanoseconds took, const result<json::object>& answer) {
            if (!answer) {
                found_.no_clock = no_calls_ = answer.error().text();
                denied_ = answer.error().code == errc::unauthenticated || answer.error().code == errc::forbidden;
                return try_transfers();
            }
            if (least_call_ == nanoseconds{0} || took < least_call_) {
                least_call_ = took;
                const auto theirs = number_or<std::int64_t>(*answer, "time_ns", 0);
                if (theirs) found_.clock_ahead = nanoseconds(theirs - sent) - took / 2;
                if (!theirs) found_.no_clock = "the controller did not tell its time";
                found_.seen_as = text_or(*answer, "seen_as", "");
                found_.translated = !found_.seen_as.empty() && !is_own_address(found_.seen_as);
            }
            ++calls_ < k_calls ? ask_the_time() : try_transfers();
        });
    }

    void try_transfers() {
        if (!what_.transfers) return finish();
        found_.up = found_.down = no_answer();
        if (!no_calls_.empty()) return finish();
        call(k_transfer_bytes, 0, [this](nanoseconds took, const result<json::object>& answer) {
            found_.up = answer ? result<double>(rate(took)) : result<double>(answer.error());
            if (!answer) {
                found_.down = answer.error();
                return finish();
            }
            call(0, k_transfer_bytes, [this](nanoseconds back, const result<json::object>& reply) {
                found_.down = reply ? result<double>(rate(back)) : result<double>(reply.error());
                finish();
            });
        });
    }
    problem no_answer() const {
        if (no_calls_.empty()) return make_problem(errc::timeout, "no answer within the time for it");
        return make_problem(denied_ ? errc::forbidden : errc::unavailable, no_calls_);
    }
    /// Bits per second without the round trip that an empty call takes as well, but that is never more than nine tenths.
    double rate(nanoseconds took) const {
        const auto net =
            std::max<double>(static_cast<double>((took - least_call_).count()), static_cast<double>(took.count()) / 10);
        return static_cast<double>(k_transfer_bytes) * 8 * 1e9 / std::max(net, 1.0);
    }

    void finish() {
        limit_.cancel();
        if (auto done = std::exchange(done_, nullptr)) done(std::move(found_));
    }

    boost::asio::io_context& io_;
    const link_ptr link_;
    const path_request what_;
    boost::asio::steady_timer limit_;
    std::function<void(path_figures)> done_;  // empty: it is over
    path_figures found_;
    nanoseconds least_call_{0};
    int calls_ = 0;
    std::string no_calls_;
    bool denied_ = false;
};

fact measured(std::string key, const path_figures& found, std::int64_t now_ns) {
    fact f;
    f.key = std::move(key);
    f.volatility = fact_volatility::slow;
    f.observed_ns = now_ns;
    f.method = "measured";
    f.source = "the session over " + found.over;
    return f;
}

std::uint64_t in_us(nanoseconds t) { return static_cast<std::uint64_t>(std::max<std::int64_t>(t.count() / 1000, 0)); }

}  // namespace

void measure_path(boost::asio::io_context& io, const link_ptr& over, const path_request& what,
                  std::function<void(path_figures)> done) {
    auto made = std::make_shared<path_measurement>(io, over, what, std::move(done));
    boost::asio::post(io, [made] { made->start(); });
}

std::vector<fact> path_facts(const path_figures& found, std::int64_t now_ns) {
    std::vector<fact> all;
    auto add = [&](std::string key, json::value value, std::string detail) {
        auto f = measured(std::move(key), found, now_ns);
        f.value = std::move(value);
        f.detail = std::move(detail);
        all.push_back(std::move(f));
    };
    auto fail = [&](std::string key, fact_status status, std::string why) {
        auto f = measured(std::move(key), found, now_ns);
        f.status = status;
        f.detail = std::move(why);
        all.push_back(std::move(f));
    };
    const auto& trips = found.round_trips;
    if (trips.empty()) {
        fail("net.controller_rtt_us", fact_status::error, found.no_round_trips);
        fail("net.controller_rtt_p99_us", fact_status::error, found.no_round_trips);
    } else {
        const auto said = sdk::concat("of ", trips.size(), " pings");
        const auto rank = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(trips.size())));
        add("net.controller_rtt_us", in_us(trips[(trips.size() - 1) / 2]), "median " + said);
        add("net.controller_rtt_p99_us", in_us(trips[rank - 1]), "99th percentile " + said);
    }
    if (found.clock_ahead)
        add("net.clock_skew_ms", std::llround(static_cast<double>(found.clock_ahead->count()) / 1e6),
            "the controller's clock less this one's");
    else
        fail("net.clock_skew_ms", fact_status::error, found.no_clock);
    if (!found.seen_as.empty())
        add("net.nat", found.translated ? "translated" : "none", "the controller sees " + found.seen_as);
    auto transfer = [&](std::string key, const std::optional<result<double>>& rate) {
        if (!rate) return;
        if (*rate) return add(std::move(key), static_cast<std::uint64_t>(**rate), "one transfer of 256 KiB");
        const auto code = rate->error().code;
        if (code == errc::busy) return;  // the controller has others to measure; not known yet
        fail(std::move(key),
             code == errc::timeout                                      ? fact_status::timeout
             : code == errc::forbidden || code == errc::unauthenticated ? fact_status::denied
                                                                        : fact_status::error,
             rate->error().text());
    };
    transfer("net.controller_up_bps", found.up);
    transfer("net.controller_down_bps", found.down);
    return all;
}

}  // namespace sigrun
