// The controller's end of sessions, over the real valkyrie plugin: welcomes runners, records what they send, and sends
// what a test tells it to.
#pragma once

#include "acceptor.hpp"
#include "kernel/base/id.hpp"
#include "kernel/base/json.hpp"
#include "kernel/link/link.hpp"
#include "scratch_dir.hpp"

#include <sigrun/cpp/error.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <optional>

namespace sigrun::agent_test {

/// A frame with everything it borrowed copied.
struct seen_frame {
    std::uint32_t kind = 0, flags = 0, stream = 0, attempt = 0;
    std::uint64_t offset = 0;
    std::string job, token, json, payload;
    bool final_state() const { return kind == SIGRUN_STATE && (flags & SIGRUN_FRAME_LAST); }
    bool refusal() const { return kind == SIGRUN_ACK && (flags & SIGRUN_FRAME_ERROR); }
    json::object parsed() const { return json::parse(json).as_object(); }
};

/// One try of one job as the test names it.
struct try_of {
    std::string job = id::make().text();
    std::uint32_t number = 1;
    std::string token = "1:1:" + random_secret(4);
};

class fake_controller final : public call_handler, public link_adopter {
public:
    /// How far its clock is ahead of this machine's; -1: it does not tell its time.
    std::atomic<std::int64_t> clock_ahead_ns{-1};
    static constexpr std::chrono::seconds k_limit{20};

    struct ear final : link_handler {
        explicit ear(fake_controller& o) : owner(o) {}
        sigrun_result on_frame(const link_ptr& from, const sigrun_frame& f) override { return owner.record(from, f); }
        void on_lost(const link_ptr&, const std::string&) override { owner.note_lost(); }
        fake_controller& owner;
    };

    fake_controller()
        : host_({SIGRUN_BUILD_DIR "/plugins", dir_.path(), "sigrund", {SIGRUN_KIND_PROTOCOL}, {"valkyrie"}},
                settings::parse("", "test").value(), numbers_) {
        host_.set_call_handler(this);
        host_.set_link_adopter(this);
        host_.load_all().value();
        host_.start_all().value();
        open_door();
    }
    ~fake_controller() {
        door_.reset();
        drop();
        {
            std::lock_guard lock(mutex_);
            link_ = nullptr;  // it holds its protocol, which shutdown waits for
        }
        host_.shutdown();
    }
    void open_door() {
        door_ = std::make_unique<acceptor>(host_, door_port_);
        door_port_ = door_->port();
    }
    void shut_door() { door_.reset(); }
    std::string url() const { return "valkyrie://127.0.0.1:" + std::to_string(door_port_); }
    plugin_host& host() { return host_; }

    // -- what the test decides
    /// Members of WELCOME besides ticket, session and generation; gets the HELLO.
    std::function<json::object(const json::object& hello)> welcome = [](const json::object&) {
        return json::object{{"runner", "r"}, {"beat_ms", 100}, {"verdicts", json::array{}}};
    };
    std::atomic<bool> ack_logs{true}, ack_states{true};

    // -- links
    link_ptr wait_link(std::size_t nth = 1) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, k_limit, [&] { return links_made_ >= nth && link_ && link_->alive(); }));
        return link_;
    }
    void drop() {
        link_ptr l;
        {
            std::lock_guard lock(mutex_);
            l = link_;
        }
        if (l) l->close(SIGRUN_E_IO);
    }
    /// Dials a runner that listens, and takes what the answer says of it.
    json::object dial_runner(const std::string& url, const std::string& controller) {
        std::promise<result<link_ptr>> opened;
        dial(host_, host_.find(SIGRUN_KIND_PROTOCOL, "valkyrie"), {url, "", ""}, ear_,
             [&](result<link_ptr> r) { opened.set_value(std::move(r)); });
        auto l = opened.get_future().get();
        if (!l) throw problem_error(l.error());
        std::promise<result<std::string>> said;
        (*l)->call_once("sessions.open", "", json::serialize(json::object{{"controller", controller}}),
                        [&](result<std::string> r) { said.set_value(std::move(r)); });
        auto answer = said.get_future().get();
        if (!answer) {
            (*l)->close();
            throw problem_error(answer.error());
        }
        adopt_link(*l);
        return json::parse(*answer).as_object();
    }

    // -- frames to the runner
    sigrun_result send(std::uint32_t kind, const try_of* t, std::string_view text = {}, std::uint64_t time_ns = 0,
                       std::string_view payload = {}) {
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = kind;
        f.time_ns = time_ns;
        f.json = sdk::str(text);
        sigrun_attempt a{};
        if (t) {
            a = {sizeof a, t->number, sdk::str(t->job), sdk::str(t->token)};
            f.attempt = &a;
        }
        buffer_ref buf;
        if (!payload.empty()) {
            buf = buffer_ref::copy_of(payload);
            f.payload = buf.get();
        }
        auto l = wait_link();
        if (kind == SIGRUN_OFFER) return l->execute(f);
        if (kind == SIGRUN_CANCEL) return l->cancel(a, nanoseconds(static_cast<std::int64_t>(time_ns)));
        return l->send(f);
    }
    sigrun_result offer(const try_of& t, const json::object& document, std::string_view payload = {}) {
        return send(SIGRUN_OFFER, &t, json::serialize(document), 0, payload);
    }
    sigrun_result offer_shell(const try_of& t, std::string_view script) {
        return offer(t, {{"kind", "process"}, {"command", {"sh", "-c", script}}});
    }
    void ack(const try_of& t, std::uint32_t kind, std::uint64_t offset = 0) {
        sigrun_attempt a{sizeof a, t.number, sdk::str(t.job), sdk::str(t.token)};
        sigrun_frame f{};
        f.struct_size = sizeof f;
        f.kind = SIGRUN_ACK;
        f.stream = kind;
        f.offset = offset;
        f.attempt = &a;
        wait_link()->send(f);
    }

    // -- what came
    seen_frame wait_for(const std::function<bool(const seen_frame&)>& fits, std::chrono::milliseconds limit = k_limit) {
        std::unique_lock lock(mutex_);
        std::size_t next = 0;
        auto until = std::chrono::steady_clock::now() + limit;
        for (;;) {
            for (; next < frames_.size(); ++next)
                if (fits(frames_[next])) return frames_[next];
            if (changed_.wait_until(lock, until) == std::cv_status::timeout) break;
        }
        std::string came;
        for (const auto& f : frames_)
            if (f.kind != SIGRUN_BEAT) came += sdk::concat("\n  ", f.kind, "/", f.flags, "/", f.stream, " ", f.json);
        throw std::runtime_error("no such frame; came:" + came);
    }
    seen_frame wait_final(const try_of& t) {
        return wait_for([&](const seen_frame& f) { return f.final_state() && f.token == t.token; });
    }
    seen_frame wait_answer(const try_of& t) {
        return wait_for([&](const seen_frame& f) {
            return f.kind == SIGRUN_ACK && f.stream == SIGRUN_OFFER && f.token == t.token;
        });
    }
    std::vector<seen_frame> frames(const try_of& t) {
        std::lock_guard lock(mutex_);
        std::vector<seen_frame> out;
        for (const auto& f : frames_)
            if (f.token == t.token) out.push_back(f);
        return out;
    }
    /// The log as the controller would have stored it: bytes by offset, each once. Differences are test failures.
    std::string log_of(const try_of& t) {
        std::string all;
        for (const auto& f : frames(t)) {
            if (f.kind != SIGRUN_LOG) continue;
            EXPECT_LE(f.offset, all.size()) << "a gap in the log";
            std::size_t overlap = all.size() - std::min<std::size_t>(f.offset, all.size());
            std::size_t same = std::min(overlap, f.payload.size());
            EXPECT_EQ(all.substr(f.offset, same), f.payload.substr(0, same)) << "sent again with other bytes";
            all += f.payload.substr(same);
        }
        return all;
    }
    void forget_frames() {
        std::lock_guard lock(mutex_);
        frames_.clear();
    }
    std::vector<json::object> hellos() {
        std::lock_guard lock(mutex_);
        return hellos_;
    }
    void wait_lost(std::size_t n) {
        std::unique_lock lock(mutex_);
        EXPECT_TRUE(changed_.wait_for(lock, k_limit, [&] { return lost_ >= n; }));
    }

    // -- call_handler, link_adopter
    sigrun_result begin(std::uint64_t, const sigrun_call& call, const sigrun_sink& replies, std::uint64_t* call_id,
                        sigrun_error* error, protocol_traffic*) noexcept override {
        return sdk::guarded(error, [&]() -> sigrun_result {
            *call_id = 0;
            if (sdk::view(call.method) != "runners.register")
                return sdk::report(error, SIGRUN_E_NOT_FOUND, "no such method");
            auto hello = json::parse(sdk::view(call.json)).as_object();
            auto answer = welcome(hello);
            answer["ticket"] = "t";
            answer["session"] = hello["session"];
            answer["generation"] = hello["generation"];
            {
                std::lock_guard lock(mutex_);
                hellos_.push_back(hello);
            }
            auto text = json::serialize(answer);
            sigrun_frame f{};
            f.struct_size = sizeof f;
            f.kind = SIGRUN_REPLY;
            f.flags = SIGRUN_FRAME_LAST | SIGRUN_FRAME_LINK;
            f.json = sdk::str(text);
            return replies.on_frame(replies.ctx, &f) < 0 ? SIGRUN_E_IO : SIGRUN_OK;
        });
    }
    void resume(std::uint64_t) noexcept override {}
    void end(std::uint64_t, sigrun_fn done, void* ctx) noexcept override {
        if (done) done(ctx);
    }
    sigrun_result adopt(std::shared_ptr<instance> owner, std::uint64_t, std::string_view, sigrun_link* raw,
                        const sigrun_sink** frames, sigrun_error* error) noexcept override {
        return sdk::guarded(error, [&] {
            auto l = link::wrap(host_, std::move(owner), raw, ear_);
            *frames = l->sink();
            adopt_link(l);
        });
    }

private:
    void adopt_link(const link_ptr& l) {
        std::lock_guard lock(mutex_);
        link_ = l;
        ++links_made_;
        changed_.notify_all();
    }
    void note_lost() {
        std::lock_guard lock(mutex_);
        ++lost_;
        changed_.notify_all();
    }
    sigrun_result record(const link_ptr& from, const sigrun_frame& f) {
        seen_frame s{f.kind,
                     f.flags,
                     f.stream,
                     0,
                     f.offset,
                     {},
                     {},
                     std::string(sdk::view(f.json)),
                     std::string(f.payload ? buffer_ref::share(f.payload).view() : std::string_view())};
        if (f.attempt) {
            s.job = sdk::view(f.attempt->job);
            s.token = sdk::view(f.attempt->token);
            s.attempt = f.attempt->number;
        }
        std::uint64_t end = s.offset + s.payload.size();
        bool is_log = s.kind == SIGRUN_LOG, is_final = s.final_state();
        {
            std::lock_guard lock(mutex_);
            frames_.push_back(std::move(s));
            changed_.notify_all();
        }
        sigrun_frame answer{};
        answer.struct_size = sizeof answer;
        answer.kind = SIGRUN_ACK;
        answer.attempt = f.attempt;
        if (is_log && ack_logs) {
            answer.stream = SIGRUN_LOG;
            answer.offset = end;
            from->send(answer);
        } else if (is_final && ack_states) {
            answer.stream = SIGRUN_STATE;
            from->send(answer);
        } else if (f.kind == SIGRUN_BEAT) {
            answer.kind = SIGRUN_BEAT;
            answer.time_ns = f.time_ns;
            std::string time;
            if (const auto ahead = clock_ahead_ns.load(); ahead >= 0)
                time = sdk::concat(R"({"wall_ns":)", clock::system().wall_ns() + ahead, "}");
            answer.json = sdk::str(time);
            from->send(answer);
        }
        return SIGRUN_OK;
    }

    scratch_dir dir_;
    metrics numbers_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::vector<seen_frame> frames_;
    std::vector<json::object> hellos_;
    link_ptr link_;
    std::size_t links_made_ = 0, lost_ = 0;
    std::shared_ptr<ear> ear_ = std::make_shared<ear>(*this);
    plugin_host host_;
    std::uint16_t door_port_ = 0;
    std::unique_ptr<acceptor> door_;
};

}  // namespace sigrun::agent_test
