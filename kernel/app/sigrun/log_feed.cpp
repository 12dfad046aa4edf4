#include "kernel/app/sigrun/log_feed.hpp"

#include "kernel/base/json.hpp"

namespace sigrun::cli {

reply_fn log_feed::replies() {
    return [me = shared_from_this()](const reply_view& reply) { return me->on_reply(reply); };
}

std::function<void(result<void>)> log_feed::done() {
    return [me = shared_from_this()](const result<void>& how) { me->on_done(how); };
}

sigrun_result log_feed::on_reply(const reply_view& reply) {
    if (reply.error) {
        std::lock_guard lock(mutex_);
        refused_ = problem::from_json(reply.json);
        return SIGRUN_OK;
    }
    auto head = parse_object(reply.json);
    if (!head) return SIGRUN_E_INVALID;
    log_piece piece;
    piece.offset = number_or<std::uint64_t>(*head, "offset", 0);
    piece.time_ns = number_or<std::int64_t>(*head, "time_ns", 0);
    piece.stream = text_or(*head, "stream", "stdout");
    piece.missing = number_or<std::uint64_t>(*head, "missing_bytes", 0);
    piece.content = buffer_ref::share(reply.payload);
    {
        std::unique_lock lock(mutex_);
        if (bool_or(*head, "end", false)) state_ = text_or(*head, "state");
        if (!piece.bytes().empty() || piece.missing) {
            room_.wait(lock, [&] { return abandoned_ || bytes_ < k_most; });
            if (abandoned_) return SIGRUN_E_CANCELLED;
            bytes_ += piece.bytes().size();
            pieces_.push_back(std::move(piece));
        }
    }
    waits_.wake();
    return SIGRUN_OK;
}

void log_feed::on_done(const result<void>& how) {
    {
        std::lock_guard lock(mutex_);
        if (!how)
            ending_ = ending{how, true, state_};
        else if (refused_)
            ending_ = ending{*refused_, false, state_};
        else
            ending_ = ending{{}, false, state_};
    }
    waits_.wake();
}

std::vector<log_piece> log_feed::take() {
    std::vector<log_piece> out;
    {
        std::lock_guard lock(mutex_);
        out.swap(pieces_);
        bytes_ = 0;
    }
    room_.notify_all();
    return out;
}

bool log_feed::has_pieces() const {
    std::lock_guard lock(mutex_);
    return !pieces_.empty();
}

std::optional<log_feed::ending> log_feed::ended() const {
    std::lock_guard lock(mutex_);
    if (!pieces_.empty()) return std::nullopt;
    return ending_;
}

void log_feed::abandon() {
    {
        std::lock_guard lock(mutex_);
        abandoned_ = true;
    }
    room_.notify_all();
}

}  // namespace sigrun::cli
