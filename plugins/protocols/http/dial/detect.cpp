#include "dial/detect.hpp"

#include "dial/native_peer.hpp"
#include "wire/text.hpp"

#include <algorithm>

namespace sigrun::http {
namespace {

constexpr std::size_t k_round_trips = 5;

class detection : public ticking, public std::enable_shared_from_this<detection> {
public:
    detection(const sdk::host& host, loop& where, client_settings settings, bool legacy, time_point deadline,
              sigrun_op op)
        : loop_(where),
          client_(std::make_shared<client>(where, std::move(settings), 1)),
          legacy_(legacy),
          deadline_(deadline),
          op_(host, op) {}

    void start() {
        loop_.add(shared_from_this());
        if (legacy_) return ask("HEAD", "/health", &detection::on_second);
        ask("OPTIONS", "*", &detection::on_first);
    }
    void tick(time_point now) override { client_->tick(now); }
    void shut() override { client_->close(); }

private:
    using step = void (detection::*)(const client_result&);

    void ask(std::string_view verb, std::string_view target, step then) {
        auto r = std::make_shared<client_request>();
        r->verb = verb;
        r->target = target;
        r->deadline = deadline_;
        r->max_reply = 1 << 20;
        r->on_done = [self = shared_from_this(), then, asked = sdk::concat(verb, " ", target)](client_result result) {
            self->note(asked, result);
            ((*self).*then)(result);
        };
        client_->send(std::move(r));
    }

    void note(std::string_view asked, const client_result& r) {
        if (!evidence_.empty()) evidence_ += "; ";
        evidence_ += sdk::concat(asked, " -> ", r.status ? sdk::concat(r.status) : r.why);
        reached_ = reached_ || r.what != fault::connect;
        if (!r.status) return;
        speaks_ = true;
        version_ = std::max(version_, r.version);
        if (r.keep_alive) keep_alive_ = true;
        if (const auto found = r.headers.find("Server"); server_.empty() && found != r.headers.end()) {
            std::size_t replaced = 0;
            server_ = with_valid_utf8(
                std::string_view(found->value().data(), std::min<std::size_t>(found->value().size(), 200)), replaced);
        }
    }

    void on_first(const client_result& r) {
        if (r.status) return ask("GET", "/v1/version", &detection::on_version);
        if (r.what == fault::connect || r.what == fault::timeout || r.what == fault::cancelled) return give();
        ask("HEAD", "/healthz", &detection::on_second);
    }
    void on_second(const client_result& r) {
        if (!r.status) return give();
        if (legacy_) return measure();
        ask("GET", "/v1/version", &detection::on_version);
    }
    void on_version(const client_result& r) {
        native_ = r.status == 200 && is_native(r);
        measure();
    }
    void measure() { ask("HEAD", legacy_ ? "/health" : "/healthz", &detection::on_round_trip); }
    void on_round_trip(const client_result& r) {
        evidence_.resize(evidence_.rfind("; "));  // the same line five times proves no more than once
        if (!r.status) return give();
        health_status_ = r.status;
        trips_.push_back(r.took);
        if (trips_.size() == k_round_trips) return give();
        measure();
    }

    void give() {
        json_members m;
        m.number("supported", speaks_);
        if (!reached_) m.number("reached", false);
        m.text("version", !speaks_ ? "" : version_ == 10 ? "HTTP/1.0" : "HTTP/1.1");
        if (trips_.size() == k_round_trips) {
            std::sort(trips_.begin(), trips_.end());
            m.number("latency_us", trips_[k_round_trips / 2].count() / 1000);
        }
        if (health_status_) m.number("health_status", health_status_);  // reachable is not yet healthy
        std::string features;
        if (keep_alive_) features += "\"keep-alive\"";
        if (native_) features += features.empty() ? "\"sessions\"" : ",\"sessions\"";
        m.raw("features", sdk::concat("[", features, "]"));
        m.number("native", native_);
        if (!server_.empty()) m.text("server", server_);
        m.text("evidence", evidence_);
        client_->close();
        op_.ok(m.finish());
        loop_.remove(this);
    }

    loop& loop_;
    std::shared_ptr<client> client_;
    bool legacy_;
    time_point deadline_;
    sdk::op op_;
    std::string evidence_;
    std::string server_;
    bool reached_ = false;
    bool speaks_ = false;
    unsigned version_ = 0;
    int health_status_ = 0;
    bool keep_alive_ = false;
    bool native_ = false;
    std::vector<std::chrono::nanoseconds> trips_;
};

}  // namespace

void start_detection(const sdk::host& host, loop& where, client_settings settings, bool legacy, time_point deadline,
                     sigrun_op op) {
    auto made = std::make_shared<detection>(host, where, std::move(settings), legacy, deadline, op);
    where.post([made] { made->start(); });
}

}  // namespace sigrun::http
