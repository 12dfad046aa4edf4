#include "frame_reader.hpp"

#include "crc32c.hpp"
#include "message.hpp"

namespace sigrun::valkyrie {

refusal frame_reader::check(const frame_header& header) const noexcept {
    if (header.length > limits.max_frame) return {code::too_large, "frame length: above the receiver's max_frame"};
    auto allowed = allowed_flags(header.type);
    if (!allowed) return {};
    if (header.flags & ~*allowed) return {code::flags, "frame flags: a bit that this type does not define"};
    return {};
}

refusal frame_reader::feed(std::string_view bytes, frame_handler& handler) {
    while (!bytes.empty() && !stopped_) {
        if (skip_) {
            auto n = std::min(skip_, bytes.size());
            skip_ -= n;
            bytes.remove_prefix(n);
            continue;
        }
        // A frame that began in an earlier read is completed in partial_; all others are taken where they
        // lie.
        if (!partial_.empty() || bytes.size() < k_header_size) {
            auto have = partial_.size();
            auto wanted = have < k_header_size ? k_header_size : k_header_size + read_header(partial_.data()).length;
            auto n = std::min(wanted - have, bytes.size());
            partial_.append(bytes.substr(0, n));
            bytes.remove_prefix(n);
            if (partial_.size() < k_header_size) return {};
        }
        bool gathered = !partial_.empty();
        auto header = read_header(gathered ? partial_.data() : bytes.data());
        if (auto bad = check(header)) return bad;
        if (!allowed_flags(header.type)) {
            skip_ = header.length + (gathered ? 0 : k_header_size);
            partial_.clear();
            continue;
        }
        auto size = k_header_size + std::size_t{header.length};
        if (gathered) {
            if (partial_.size() < size) {
                if (partial_.size() == k_header_size) partial_.room(std::min<std::size_t>(header.length, k_piece));
                if (bytes.empty()) return {};
                continue;
            }
            auto bad = whole(header, partial_.view().substr(k_header_size), handler);
            partial_.clear();
            if (bad) return bad;
        } else if (bytes.size() < size) {
            partial_.append(bytes);
            return {};
        } else {
            auto body = bytes.substr(k_header_size, header.length);
            bytes.remove_prefix(size);
            if (auto bad = whole(header, body, handler)) return bad;
        }
    }
    return {};
}

refusal frame_reader::whole(const frame_header& header, std::string_view body, frame_handler& handler) {
    if (!(header.flags & flag::crc)) {
        if (limits.crc) return {code::checksum, "checksum: negotiated, but the frame carries none"};
        return header.type == type::batch ? batch(body, handler) : plain(header, body, handler);
    }
    if (!limits.crc) return {code::flags, "frame flags: CRC was not negotiated"};
    if (body.size() < k_crc_size) return {code::checksum, "checksum: the frame is shorter than it"};
    auto given = load<std::uint32_t>(body.data() + body.size() - k_crc_size);
    body.remove_suffix(k_crc_size);
    char raw[k_header_size];
    write_header(raw, header);
    if (crc32c({raw, sizeof raw}, body) != given) return {code::checksum, "checksum: does not match the frame"};
    frame_header bare = header;
    bare.flags = static_cast<std::uint16_t>(bare.flags & ~flag::crc);
    bare.length = static_cast<std::uint32_t>(body.size());
    return header.type == type::batch ? batch(body, handler) : plain(bare, body, handler);
}

refusal frame_reader::batch(std::string_view body, frame_handler& handler) {
    while (!body.empty() && !stopped_) {
        if (body.size() < k_header_size) return {code::protocol, "BATCH: ends within a header"};
        auto header = read_header(body.data());
        if (header.length > body.size() - k_header_size) return {code::protocol, "BATCH: ends within a frame"};
        if (header.type == type::batch || header.type == type::hello)
            return {code::protocol, "BATCH: must not contain BATCH or HELLO"};
        if (auto bad = check(header)) return bad;
        if (allowed_flags(header.type)) {
            if (header.flags & flag::crc) return {code::flags, "BATCH: its frames carry no checksum of their own"};
            if (auto bad = plain(header, body.substr(k_header_size, header.length), handler)) return bad;
        }
        body.remove_prefix(k_header_size + header.length);
    }
    return {};
}

refusal frame_reader::plain(const frame_header& header, std::string_view body, frame_handler& handler) {
    if (type::is_connection(header.type)) {
        stopped_ = !handler.on_frame(header, body);
        return {};
    }
    std::size_t found = 0;
    while (found < assemblies_.size() && assemblies_[found].header.stream != header.stream) ++found;
    if ((header.flags & flag::more) || found < assemblies_.size()) return piece(header, body, found, handler);
    stopped_ = !handler.on_frame(header, body);
    return {};
}

refusal frame_reader::piece(const frame_header& header, std::string_view body, std::size_t found,
                            frame_handler& handler) {
    bool first = found == assemblies_.size();
    bool last = !(header.flags & flag::more);
    auto flags = static_cast<std::uint16_t>(header.flags & ~flag::more);
    if (first) {
        if (found == k_max_assemblies) return {code::protocol, "pieces: at most 2 messages at once"};
        assemblies_.push_back({header, {}});
        assemblies_.back().header.flags = flags;
    }
    auto& whole_message = assemblies_[found];
    if (!first && (whole_message.header.type != header.type || whole_message.header.flags != flags))
        return {code::protocol, "pieces: type and flags differ from those of the first piece"};
    if (body.size() > limits.max_message - whole_message.body.size())
        return {code::too_large, "pieces: above the receiver's max_message"};
    whole_message.body.append(body);
    if (!last) return {};
    auto done = std::move(assemblies_[found]);
    assemblies_.erase(assemblies_.begin() + static_cast<std::ptrdiff_t>(found));
    done.header.length = static_cast<std::uint32_t>(done.body.size());
    stopped_ = !handler.on_frame(done.header, done.body);
    return {};
}

}  // namespace sigrun::valkyrie
