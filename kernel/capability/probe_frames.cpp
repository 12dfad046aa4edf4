#include "kernel/capability/probe_frames.hpp"

namespace sigrun {
namespace {

constexpr std::size_t k_header = 5, k_number = 8;

void append_number(std::string& out, std::uint64_t n, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) out += static_cast<char>(n >> (8 * i) & 0xff);
}

std::uint64_t read_number(std::string_view text, std::size_t bytes) noexcept {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < bytes; ++i) n |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
    return n;
}

}  // namespace

std::string frame_bytes(probe_word word, std::string_view payload) {
    std::string out;
    out.reserve(k_header + payload.size());
    append_number(out, payload.size(), k_header - 1);
    out += static_cast<char>(word);
    return out += payload;
}

std::string frame_bytes(probe_word word, std::uint64_t number, std::string_view rest) {
    std::string out;
    out.reserve(k_header + k_number + rest.size());
    append_number(out, k_number + rest.size(), k_header - 1);
    out += static_cast<char>(word);
    append_number(out, number, k_number);
    return out += rest;
}

std::optional<numbered_payload> split_number(std::string_view payload) noexcept {
    if (payload.size() < k_number) return std::nullopt;
    return numbered_payload{read_number(payload, k_number), payload.substr(k_number)};
}

void probe_frame_reader::take(std::string_view bytes) {
    buffer_.erase(0, used_);
    used_ = 0;
    buffer_ += bytes;
}

result<std::optional<probe_frame>> probe_frame_reader::next() {
    const auto rest = std::string_view(buffer_).substr(used_);
    if (rest.size() < k_header) return std::optional<probe_frame>();
    const auto length = read_number(rest, k_header - 1);
    const auto word = static_cast<unsigned char>(rest[k_header - 1]);
    if (length > k_max_probe_payload)
        return bad_value("length of a frame", "at most " + std::to_string(k_max_probe_payload), std::to_string(length));
    if (word < static_cast<unsigned>(probe_word::load) || word > static_cast<unsigned>(probe_word::log))
        return bad_value("kind of a frame", "1 to 8", std::to_string(word));
    if (rest.size() - k_header < length) return std::optional<probe_frame>();
    used_ += k_header + length;
    return std::optional<probe_frame>({static_cast<probe_word>(word), rest.substr(k_header, length)});
}

}  // namespace sigrun
