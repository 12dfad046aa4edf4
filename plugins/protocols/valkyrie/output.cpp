#include "output.hpp"

#include "crc32c.hpp"

namespace sigrun::valkyrie {

namespace {
constexpr std::size_t k_batch = 60 * 1024;

/// Appends `frame` (header and body) with a checksum behind it.
void append_sealed(byte_buffer& wire, frame_header header, std::string_view body) {
    header.length = static_cast<std::uint32_t>(body.size() + k_crc_size);
    header.flags |= flag::crc;
    char* p = wire.room(k_header_size + body.size() + k_crc_size);
    write_header(p, header);
    if (!body.empty()) std::memcpy(p + k_header_size, body.data(), body.size());
    store(p + k_header_size + body.size(), crc32c({p, k_header_size}, body));
    wire.commit(k_header_size + body.size() + k_crc_size);
}

std::size_t frame_size(std::string_view at) noexcept { return k_header_size + read_header(at.data()).length; }
}  // namespace

void output::add_bulk(lane where, const byte_buffer& frame, std::uint64_t key, bool charged) {
    put(where == lane::session ? session_ : calls_, frame.view(), where == lane::session ? key : 0, charged);
}

void output::demote(std::size_t from, lane where, std::uint64_t key, bool charged) {
    put(where == lane::session ? session_ : calls_, control_.view().substr(from), where == lane::session ? key : 0,
        charged);
    control_.truncate(from);
}

void output::put(queue& q, std::string_view frame, std::uint64_t key, bool charged) {
    auto header = read_header(frame.data());
    header.priority = k_priority_bulk;
    if (header.stream == k_stream_session) header.stream = k_stream_session_bulk;
    auto body = frame.substr(k_header_size);
    const auto flags = header.flags;
    if (key) ++keys_[key];
    bool first = true;
    do {
        auto part = body.substr(0, k_piece);
        body.remove_prefix(part.size());
        header.length = static_cast<std::uint32_t>(part.size());
        header.flags = body.empty() ? flags : static_cast<std::uint16_t>(flags | flag::more);
        char* p = q.bytes.room(k_header_size + part.size());
        write_header(p, header);
        if (!part.empty()) std::memcpy(p + k_header_size, part.data(), part.size());
        q.bytes.commit(k_header_size + part.size());
        q.entries.push_back(
            {static_cast<std::uint32_t>(k_header_size + part.size()), charged, first, body.empty() ? key : 0});
        first = false;
    } while (!body.empty());
}

void output::clear() {
    control_.clear();
    for (auto* q : {&session_, &calls_}) {
        q->bytes.clear();
        q->entries.clear();
    }
    keys_.clear();
}

bool output::may_go(const queue& q) const noexcept {
    if (q.entries.empty()) return false;
    const auto& head = q.entries.front();
    return !(head.charged && head.opens && log_credit_ <= 0);
}

void output::take(queue& q, byte_buffer& wire) {
    auto head = q.entries.front();
    q.entries.pop_front();
    auto frame = q.bytes.view().substr(0, head.size);
    if (crc_)
        append_sealed(wire, read_header(frame.data()), frame.substr(k_header_size));
    else
        wire.append(frame);
    if (head.charged) log_credit_ -= static_cast<std::int64_t>(head.size - k_header_size);
    q.bytes.consume(head.size);
    if (q.bytes.empty()) q.bytes.clear();
    if (head.key) {
        auto found = keys_.find(head.key);
        if (--found->second == 0) keys_.erase(found);
    }
}

void output::take_control(byte_buffer& wire) {
    if (!crc_) {
        wire.swap(control_);
        return;
    }
    // One checksum for many small frames: they travel in a BATCH.
    auto frames = control_.view();
    while (!frames.empty()) {
        std::size_t size = frame_size(frames);
        bool one = true;
        while (size < frames.size() && size + frame_size(frames.substr(size)) <= k_batch) {
            size += frame_size(frames.substr(size));
            one = false;
        }
        auto part = frames.substr(0, size);
        frames.remove_prefix(size);
        if (one)
            append_sealed(wire, read_header(part.data()), part.substr(k_header_size));
        else
            append_sealed(wire, {0, type::batch, k_priority_control, 0, k_stream_connection}, part);
    }
    control_.clear();
}

bool output::fill(byte_buffer& wire) {
    if (!control_.empty()) take_control(wire);
    for (std::size_t bulk = 0; bulk < k_piece / 2;) {
        bool session = may_go(session_);
        bool calls = may_go(calls_);
        if (!session && !calls) break;
        queue& q = (calls && (calls_turn_ || !session)) ? calls_ : session_;
        calls_turn_ = &q == &session_;
        bulk += q.entries.front().size;
        take(q, wire);
    }
    return !wire.empty();
}

}  // namespace sigrun::valkyrie
