#include "kernel/app/sigrun/follow.hpp"

#include "kernel/app/sigrun/job_document.hpp"
#include "kernel/app/sigrun/log_feed.hpp"

#include <sigrun/cpp/text.hpp>

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

namespace sigrun::cli {
namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

void write_error(std::string_view bytes) {
    while (!bytes.empty()) {
        const auto n = ::write(STDERR_FILENO, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // a closed stderr is no reason to lose stdout
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
}

/// One question asked again and again without waiting for its answer: where is the job now?
class placement_watch : public std::enable_shared_from_this<placement_watch> {
public:
    placement_watch(context& ctx, std::string id) : ctx_(ctx), id_(std::move(id)) {}

    void ask() {
        if (!ctx_.connected()) return;  // whoever follows brings the way back
        {
            std::lock_guard lock(mutex_);
            asking_ = true;
        }
        auto me = shared_from_this();
        ctx_.daemon().start(
            "jobs.get", json::serialize(json::object{{"id", id_}}), {},
            [me](const reply_view& reply) {
                std::lock_guard lock(me->mutex_);
                if (!reply.error) me->answer_ = std::string(reply.json);
                return SIGRUN_OK;
            },
            [me, &waits = ctx_.waits()](const result<void>&) {
                {
                    std::lock_guard lock(me->mutex_);
                    me->asking_ = false;
                }
                waits.wake();
            });
    }
    bool asking() const {
        std::lock_guard lock(mutex_);
        return asking_;
    }
    std::string take() {
        std::lock_guard lock(mutex_);
        return std::exchange(answer_, {});
    }

private:
    context& ctx_;
    std::string id_;
    mutable std::mutex mutex_;
    bool asking_ = false;
    std::string answer_;
};

class follower {
public:
    follower(context& ctx, const std::string& id, const follow_options& options)
        : ctx_(ctx),
          id_(id),
          options_(options),
          placed_(!options.placement),
          offset_(options.offset),
          watch_(std::make_shared<placement_watch>(ctx, id)) {}
    ~follower() {
        if (feed_) feed_->abandon();
    }
    follower(const follower&) = delete;
    follower& operator=(const follower&) = delete;

    followed run() {
        open_feed();
        for (;;) {
            look_at_placement();
            // Output waits for the answer about the place, so that the line about it stands before it.
            const bool holding = !placed_ && watch_->asking();
            if (!holding) write_pieces();
            if (auto end = feed_->ended()) {
                if (end->how) return {end->state, placed_ && options_.placement};
                if (!end->by_transport) throw failure(end->how.error());
                reconnect(end->how.error());
                continue;
            }
            const auto until = placed_ ? steady_clock::now() + 1h : next_look_;
            if (ctx_.waits().wait_until(until) == waiter::outcome::interrupted) interrupted();
        }
    }

private:
    void open_feed() {
        feed_ = std::make_shared<log_feed>(ctx_.waits());
        json::object params{{"id", id_}, {"offset", offset_}, {"follow", options_.until_end}};
        if (options_.attempt) params["attempt"] = options_.attempt;
        // After a reconnect the offset is what counts: the output goes on where it stopped.
        if (!options_.since.empty()) params["since"] = options_.since;
        if (options_.last_lines) params["tail"] = *options_.last_lines;
        ctx_.daemon().start("jobs.logs", json::serialize(params), {}, feed_->replies(), feed_->done());
        opened_ = steady_clock::now();
    }

    void write_pieces() {
        for (const auto& piece : feed_->take()) {
            if (piece.missing) {
                tell_missing(piece);
                continue;
            }
            auto bytes = piece.bytes();
            // Bytes that were written before a reconnect are not written twice.
            if (piece.offset + bytes.size() <= offset_) continue;
            if (piece.offset < offset_) bytes.remove_prefix(static_cast<std::size_t>(offset_ - piece.offset));
            const auto from = std::max(offset_, piece.offset);
            offset_ = from + bytes.size();
            if (!options_.output) continue;
            if (ctx_.json()) {
                const json::object line{{"offset", from},
                                        {"stream", piece.stream},
                                        {"time_ns", piece.time_ns},
                                        {"data", text_or_base64(bytes)}};
                context::print(json::serialize(line) + "\n");
            } else if (piece.stream == "stdout") {
                context::print(bytes);
            } else {
                write_error(bytes);
            }
        }
    }

    /// Never among the job's own bytes: a script must be able to tell.
    void tell_missing(const log_piece& piece) {
        const auto end = piece.offset + piece.missing;
        if (end <= offset_) return;
        const auto from = std::max(offset_, piece.offset);
        offset_ = end;
        if (!options_.output) return;
        if (ctx_.json())
            context::print(
                json::serialize(json::object{{"offset", from}, {"stream", "system"}, {"missing_bytes", end - from}}) +
                "\n");
        else
            ctx_.note(sdk::concat(end - from, " bytes of the output are not kept (from byte ", from, " on)"));
    }

    void look_at_placement() {
        if (placed_) return;
        if (const std::string text = watch_->take(); !text.empty()) {
            if (auto job = parse_object(text)) {
                const std::string line = placement_line(*job);
                placed_ = !line.empty();
                if (placed_) return ctx_.note(line);
                std::string why(text_or(*job, "reason"));
                if (why.starts_with("waits: ")) why.erase(0, 7);
                if (looks_ >= k_patience && !why.empty() && why != told_) {
                    told_ = why;
                    ctx_.note("job " + id_ + " waits: " + why);
                }
            }
        }
        const auto now = steady_clock::now();
        // The first output asks at once.
        const bool due = now >= next_look_ || (feed_->has_pieces() && !asked_for_output_);
        if (watch_->asking() || !due) return;
        asked_for_output_ = asked_for_output_ || feed_->has_pieces();
        watch_->ask();
        next_look_ = now + std::min<nanoseconds>(1s, 10ms * (1 << std::min(looks_, 7)));
        ++looks_;
    }

    void interrupted() {
        const int signal = ctx_.waits().signal();
        if (!options_.cancel_on_interrupt || cancelling_) {
            if (options_.cancel_on_interrupt)
                ctx_.note("left job " + id_ + "; see it with `sigrun job show " + id_ + "`");
            throw failure(make_problem(errc::cancelled, "interrupted"), {}, failure::source::interrupt);
        }
        cancelling_ = true;
        ctx_.note("cancelling job " + id_ + (signal == SIGINT ? " (Ctrl-C again: leave it alone)" : " (told to stop)"));
        cancel();
    }

    void cancel() {
        if (!ctx_.connected()) return;  // said with the next feed
        ctx_.daemon().start(
            "jobs.cancel", json::serialize(json::object{{"id", id_}}), {}, [](const reply_view&) { return SIGRUN_OK; },
            [](const result<void>&) {});
    }

    /// Another feed where the last one stopped, at once if that one had lived. What does not live, on a link that opens but
    /// carries nothing, is given up after as long as a daemon that cannot be reached.
    void reconnect(const problem& why) {
        const auto lost = steady_clock::now();
        if (offset_ != lost_at_ || !told_lost_) ctx_.note("lost the daemon (" + why.text() + "); trying again");
        if (offset_ != lost_at_ || lost - opened_ > k_lived || !told_lost_) {
            pause_ = 0ms;
            give_up_ = lost + ctx_.daemon_timeout();
        }
        told_lost_ = true;
        lost_at_ = offset_;
        for (;;) {
            const auto until = steady_clock::now() + pause_;
            if (until > give_up_)
                throw failure(make_problem(errc::io, "lost the daemon: " + why.text()), {}, failure::source::transport);
            while (steady_clock::now() < until)
                if (ctx_.waits().wait_until(until) == waiter::outcome::interrupted) interrupted();
            pause_ = std::clamp(pause_ * 2, 100ms, 2000ms);
            try {
                open_feed();
                if (cancelling_) cancel();  // the first word of it may have been lost
                return;
            } catch (const failure& f) {
                if (f.from() != failure::source::transport) throw;
            }
        }
    }

    static constexpr std::chrono::milliseconds k_lived{500};
    static constexpr int k_patience = 6;  // looks (about 0.6 s) before a waiting job is worth a line

    context& ctx_;
    const std::string& id_;
    const follow_options& options_;
    bool placed_;
    std::uint64_t offset_;
    std::shared_ptr<placement_watch> watch_;
    std::shared_ptr<log_feed> feed_;
    steady_clock::time_point next_look_ = steady_clock::now();
    int looks_ = 0;
    bool asked_for_output_ = false;
    bool cancelling_ = false, told_lost_ = false;
    std::uint64_t lost_at_ = 0;
    steady_clock::time_point opened_, give_up_;
    std::chrono::milliseconds pause_{0};
    std::string told_;
};

}  // namespace

std::string placement_line(const json::object& job) {
    const json::object* runner = object_or_null(job, "runner");
    if (!runner) return {};
    std::string line = "job " + std::string(text_or(job, "id")) + " on " + std::string(text_or(*runner, "name"));
    if (auto protocol = text_or(job, "protocol"); !protocol.empty()) line += " over " + std::string(protocol);
    if (auto reason = text_or(job, "reason"); !reason.empty()) line += ": " + std::string(reason);
    return line;
}

followed follow_job(context& ctx, const std::string& id, const follow_options& options) {
    return follower(ctx, id, options).run();
}

}  // namespace sigrun::cli
