// jobs.logs: reads the stored log at the pace of the reader, and follows it while the job runs.
#include "kernel/job/log_reader.hpp"
#include "kernel/serve/methods.hpp"

#include <sigrun/cpp/text.hpp>

#include <algorithm>
#include <deque>
#include <iterator>
#include <optional>
#include <utility>

namespace sigrun {
namespace {

/// One reader. Runs on the worker pool, never twice at once: whoever wants it to run sets `wanted_`.
class log_streamer : public std::enable_shared_from_this<log_streamer> {
public:
    log_streamer(controller& c, job_ptr j, const log_request& what, const call_ptr& call)
        : c_(c),
          job_(std::move(j)),
          own_(own_log(c, job_, what)),
          log_(own_ ? own_ : c.jobs.log_of(job_)),
          reader_(std::in_place, log_),
          what_(what),
          call_(call) {}

    void start(const call_ptr& call) {
        poke_ = [weak = weak_from_this()] {
            if (auto me = weak.lock()) me->poke();
        };
        call->keep(shared_from_this());
        call->on_resume(poke_);
        if (what_.follow) {
            handle_ = log_->follow(poke_);
            end_ = c_.jobs.when_done(job_, poke_);
        }
        this->poke();
    }

private:
    static std::shared_ptr<job_log> own_log(controller& c, const job_ptr& j, const log_request& what) {
        return what.attempt ? c.jobs.log_of(j, what.attempt) : nullptr;
    }

    void poke() {
        if (wanted_.exchange(true)) return;
        auto self = shared_from_this();
        c_.plugins.post_work([self] { self->run(); });
    }

    void run() {
        std::lock_guard running(mutex_);
        wanted_ = false;
        auto call = call_.lock();
        if (!call || call->finished()) return;
        if (!begun_) {
            auto from = find_begin();
            if (!from) return void(call->fail(from.error()));
            offset_ = *from;
            begun_ = true;
        }
        for (;;) {
            if (!send_pieces(*call)) return;
            // Looked at before the log: what was written before the end is then seen.
            const auto range = wanted();
            auto pieces = reader_->read(offset_, range.end);
            if (went_into_the_jobs_log()) continue;
            if (!pieces) {
                call->fail(pieces.error());
                return;
            }
            if (pieces->empty()) {
                if (range.over || !what_.follow)
                    call->last(sdk::concat("{\"offset\":", offset_, ",\"end\":true,\"state\":\"", range.state, "\"}"));
                return;
            }
            read_.assign(std::make_move_iterator(pieces->begin()), std::make_move_iterator(pieces->end()));
        }
    }

    struct bounds {
        std::uint64_t begin = 0, end = log_reader::k_no_end;
        bool over = false;  // no more will be written there
        std::string_view state;
    };
    bounds wanted() const {
        std::lock_guard lock(job_->mutex);
        bounds b;
        b.state = to_string(job_->state);
        b.over = is_terminal(job_->state);
        if (!what_.attempt) return b;
        for (const auto& a : job_->attempts) {
            if (a.number == what_.attempt) {
                b.begin = a.log_begin;
                const bool goes_on = a.state == attempt_state::offered || a.state == attempt_state::running;
                b.over = b.over || !(goes_on || a.may_return);
            }
            if (own_ || a.own_log || a.number <= what_.attempt) continue;
            b.end = a.log_begin;
            b.over = true;
            break;
        }
        return b;
    }

    /// What was in a log of its attempt alone is in that of the job now: it goes on there. Tells so once.
    bool went_into_the_jobs_log() {
        if (!own_) return false;
        {
            std::lock_guard lock(job_->mutex);
            const auto at = std::find_if(job_->attempts.begin(), job_->attempts.end(),
                                         [&](const attempt& a) { return a.number == what_.attempt; });
            if (at == job_->attempts.end() || at->own_log) return false;
            offset_ += at->log_begin;
        }
        own_.reset();
        log_ = c_.jobs.log_of(job_);
        reader_.emplace(log_);
        if (what_.follow) handle_ = log_->follow(poke_);
        return true;
    }

    result<std::uint64_t> find_begin() {
        const auto range = wanted();
        auto from = std::max(what_.offset, range.begin);
        if (what_.offset) return from;
        if (what_.since_ns) {
            SIGRUN_TRY(first, reader_->first_since(*what_.since_ns));
            from = std::max(from, first);
        }
        if (what_.last_lines) {
            SIGRUN_TRY(first, reader_->last_lines(*what_.last_lines, from, std::min(range.end, log_->size())));
            from = std::max(from, first);
        }
        return from;
    }

    /// What was read and not taken yet. False: no more can go now (on_resume pokes), or ever.
    bool send_pieces(inbound_call& call) {
        for (; !read_.empty(); read_.pop_front()) {
            const auto& p = read_.front();
            static constexpr std::string_view names[] = {"system", "stdout", "stderr"};
            auto head = sdk::concat("{\"offset\":", p.at.offset, ",\"stream\":\"",
                                    names[p.at.stream < 3 ? p.at.stream : 0], "\",\"time_ns\":", p.at.time_ns);
            if (p.missing) head += sdk::concat(",\"missing_bytes\":", p.missing);
            head += '}';
            if (call.reply(head, p.content.get()) < 0) return false;
            offset_ = p.end();
        }
        return true;
    }

    controller& c_;
    const job_ptr job_;
    std::shared_ptr<job_log> own_;  // of the attempt alone; null: it is in that of the job
    std::shared_ptr<job_log> log_;
    std::optional<log_reader> reader_;
    std::function<void()> poke_;
    std::deque<log_piece> read_;
    const log_request what_;
    bool begun_ = false;
    std::uint64_t offset_ = 0;
    const std::weak_ptr<inbound_call> call_;
    std::mutex mutex_;
    std::atomic<bool> wanted_{false};
    std::shared_ptr<void> handle_;
    std::shared_ptr<void> end_;
};

}  // namespace

void stream_log(controller& c, const job_ptr& j, const log_request& what, const call_ptr& call) {
    // Not make_shared: the job's list of waiters holds a weak reference, which must not hold the streamer's memory.
    std::shared_ptr<log_streamer>(new log_streamer(c, j, what, call))->start(call);
}

}  // namespace sigrun
