// What an attempt sends, in which order, and what happens when the link is full or gone.
#include "kernel/agent/assignment.hpp"
#include "kernel/agent/assignment_table.hpp"

#include <sigrun/cpp/text.hpp>

namespace sigrun {

// A frame to be sent with everything it points to held.
struct assignment::outgoing {
    enum class what { answer, running, log, uploading, artifact, final_state } what{};
    std::uint64_t connection = 0;
    link_ptr via;
    sigrun_frame frame{};
    std::string json;
    buffer_ref payload;
};

bool assignment::next_frame(outgoing& out) {
    if (!via_ || phase_ == phase::over || abandoned_) return false;
    out.via = via_;
    out.connection = connection_;
    out.frame = {};
    out.frame.struct_size = sizeof(sigrun_frame);
    out.json.clear();
    out.payload = {};
    if (answer_due_) {
        out.what = outgoing::what::answer;
        out.frame.kind = SIGRUN_ACK;
        out.frame.stream = SIGRUN_OFFER;
    } else if (running_due_ && phase_ == phase::running) {
        out.what = outgoing::what::running;
        out.frame.kind = SIGRUN_STATE;
        out.json = running_.empty() ? R"({"state":"running"})" : running_;
    } else if (const auto* piece = log_.next()) {
        out.what = outgoing::what::log;
        out.frame.kind = SIGRUN_LOG;
        out.frame.stream = piece->stream;
        out.frame.offset = piece->offset;
        out.frame.time_ns = piece->time_ns;
        out.payload = piece->content;
    } else if (uploading_due_) {
        out.what = outgoing::what::uploading;
        out.frame.kind = SIGRUN_STATE;
        out.json = sender_->told();
    } else if (const auto* bytes = sender_ ? sender_->next() : nullptr) {
        out.what = outgoing::what::artifact;
        out.frame.kind = SIGRUN_LOG;
        out.frame.stream = SIGRUN_STREAM_ARTIFACT;
        out.frame.offset = bytes->offset;
        out.payload = bytes->content;
    } else if (final_due_) {
        out.what = outgoing::what::final_state;
        out.frame.kind = SIGRUN_STATE;
        out.frame.flags = SIGRUN_FRAME_LAST;
        out.frame.offset = log_.total();
        out.json = final_.json;
        out.payload = final_.payload;
    } else {
        return false;
    }
    out.frame.json = sdk::str(out.json);
    out.frame.payload = out.payload.get();
    return true;
}

// What can be answered, or followed by a newer one, before send returns has to count as sent by then.
bool assignment::counts_early(const outgoing& out) noexcept {
    return out.what == outgoing::what::running || out.what == outgoing::what::log ||
           out.what == outgoing::what::uploading || out.what == outgoing::what::artifact;
}

void assignment::note_unsent(const outgoing& out) {
    if (out.what == outgoing::what::running) running_due_ = true;
    if (out.what == outgoing::what::log) log_.unsent();
    if (!sender_) return;
    if (out.what == outgoing::what::uploading) uploading_due_ = true;
    if (out.what == outgoing::what::artifact) sender_->unsent();
}

void assignment::note_sent(const outgoing& out) {
    switch (out.what) {
        case outgoing::what::answer: answer_due_ = false; break;
        case outgoing::what::running: running_due_ = false; break;
        case outgoing::what::log: log_.sent(); break;
        case outgoing::what::uploading: uploading_due_ = false; break;
        case outgoing::what::artifact:
            if (sender_) sender_->sent();
            break;
        case outgoing::what::final_state: final_due_ = false; break;
    }
}

void assignment::pump() {
    std::unique_lock lock(mutex_);
    if (pumping_) {
        pump_again_ = true;
        return;
    }
    pumping_ = true;
    bool blocked = false;
    bool over = false;
    outgoing out;
    do {
        pump_again_ = false;
        while (!blocked && !over && next_frame(out)) {
            sigrun_attempt attempt{sizeof(sigrun_attempt), offer_.names.number, sdk::str(offer_.names.job),
                                   sdk::str(offer_.names.token)};
            out.frame.attempt = &attempt;
            auto before = connection_;
            const bool early = counts_early(out);
            if (early) note_sent(out);
            lock.unlock();
            auto r = out.via->send(out.frame);
            lock.lock();
            if (connection_ != before) continue;  // another link now; resume has set what is due
            if (r >= 0) {
                if (!early) note_sent(out);
                over = out.what == outgoing::what::final_state && offer_.terms.in_memory;
                continue;
            }
            if (early) note_unsent(out);
            if (r == SIGRUN_E_BUSY)
                blocked = true;
            else
                via_ = nullptr;  // its end will be told, too; until then nothing more goes there
        }
    } while (pump_again_ && !blocked && !over);
    pumping_ = false;
    lock.unlock();
    if (over) return leave();
    if (blocked)
        if (auto table = table_.lock()) table->retry_soon();
}

}  // namespace sigrun
