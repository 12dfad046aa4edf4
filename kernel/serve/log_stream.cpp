// jobs.logs: reads the stored log at the pace of the reader, and follows it while the job runs.
#include "kernel/job/log_reader.hpp"
#include "kernel/serve/methods.hpp"

#include <sigrun/cpp/text.hpp>

#include <deque>
#include <iterator>
#include <utility>

namespace sigrun {
namespace {

/// One reader. Runs on the worker pool, never twice at once: whoever wants it to run sets `wanted_`.
class log_streamer : public std::enable_shared_from_this<log_streamer> {
public:
    log_streamer(controller& c, job_ptr j, std::uint64_t offset, bool follow, const call_ptr& call)
        : c_(c),
          job_(std::move(j)),
          log_(c.jobs.log_of(job_)),
          reader_(log_),
          offset_(offset),
          follow_(follow),
          call_(call) {}

    void start(const call_ptr& call) {
        auto poke = [weak = weak_from_this()] {
            if (auto me = weak.lock()) me->poke();
        };
        call->keep(shared_from_this());
        call->on_resume(poke);
        if (follow_) {
            handle_ = log_->follow(poke);
            end_ = c_.jobs.when_done(job_, poke);
        }
        this->poke();
    }

private:
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
        for (;;) {
            if (!send_pieces(*call)) return;
            bool done = false;
            std::string state;
            {
                std::lock_guard lock(job_->mutex);
                done = is_terminal(job_->state) || !follow_;
                state = to_string(job_->state);
            }
            auto pieces = reader_.read(offset_);
            if (!pieces) {
                call->fail(pieces.error());
                return;
            }
            if (pieces->empty()) {
                if (done) call->last(sdk::concat("{\"offset\":", offset_, ",\"end\":true,\"state\":\"", state, "\"}"));
                return;
            }
            read_.assign(std::make_move_iterator(pieces->begin()), std::make_move_iterator(pieces->end()));
        }
    }

    /// What was read and not taken yet. False: no more can go now (on_resume pokes), or ever.
    bool send_pieces(inbound_call& call) {
        for (; !read_.empty(); read_.pop_front()) {
            const auto& p = read_.front();
            static constexpr std::string_view names[] = {"system", "stdout", "stderr"};
            auto head = sdk::concat("{\"offset\":", p.at.offset, ",\"stream\":\"",
                                    names[p.at.stream < 3 ? p.at.stream : 0], "\",\"time_ns\":", p.at.time_ns, "}");
            if (call.reply(head, p.content.get()) < 0) return false;
            offset_ = p.at.offset + p.content.view().size();
        }
        return true;
    }

    controller& c_;
    const job_ptr job_;
    const std::shared_ptr<job_log> log_;
    log_reader reader_;
    std::deque<log_piece> read_;
    std::uint64_t offset_;
    const bool follow_;
    const std::weak_ptr<inbound_call> call_;
    std::mutex mutex_;
    std::atomic<bool> wanted_{false};
    std::shared_ptr<void> handle_;
    std::shared_ptr<void> end_;
};

}  // namespace

void stream_log(controller& c, const job_ptr& j, std::uint64_t offset, bool follow, const call_ptr& call) {
    // Not make_shared: the job's list of waiters holds a weak reference, which must not hold the streamer's memory.
    std::shared_ptr<log_streamer>(new log_streamer(c, j, offset, follow, call))->start(call);
}

}  // namespace sigrun
