#include "h2/stream.hpp"

#include "h2/connection.hpp"

namespace sigrun::grpc {

stream::stream(std::shared_ptr<connection> on)
    : on_(std::move(on)), in_(on_->shared().options.now().max_message), heard_(on_->on().now()) {}

bool stream::full() const noexcept { return out_.bytes() >= on_->shared().options.now().max_output; }

void stream::put(std::string framed_message) {
    out_.push(std::move(framed_message));
    on_->touch(*this);
}

void stream::put_bulk(std::string framed_message, std::uint64_t key, std::uint64_t charge) {
    out_.push_bulk(std::move(framed_message), key, charge);
    on_->touch(*this);
}

void stream::finish(status how) {
    if (ended()) return;
    finished_ = true;
    end_ = std::move(how);
    on_->touch(*this);
}

void stream::show_head() {
    head_wanted_ = true;
    on_->touch(*this);
}

void stream::reset(std::uint32_t h2_error) { on_->reset(*this, h2_error); }

void stream::hold_window(bool held) {
    held_ = held;
    if (held_ || !owed_) return;
    on_->open_window(*this, std::exchange(owed_, 0));
}

void stream::feed(std::string_view bytes) {
    heard_ = on_->on().now();
    owed_ += bytes.size();
    if (malformed_) {
        on_->open_window(*this, std::exchange(owed_, 0));
        return;
    }
    auto bad = in_.feed(bytes, [this](std::string message) {
        on_message(std::move(message));
        return !malformed_;
    });
    const auto before = std::exchange(kept_, in_.kept());
    if (!bad && !on_->keeps(before, kept_))
        bad =
            status{code::resource_exhausted, "the connection: expected fewer bytes of unfinished messages at once", {}};
    if (bad && !malformed_) {
        malformed_ = true;
        on_malformed(*bad);
    }
    if (!held_ && owed_) on_->open_window(*this, std::exchange(owed_, 0));
    if (const auto limit = ns(on_->shared().options.now().read_timeout); limit && in_.unfinished())
        on_->arm_soon(heard_ + limit);
}

}  // namespace sigrun::grpc
