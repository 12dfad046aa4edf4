#include "kernel/base/base64.hpp"

#include <boost/archive/iterators/base64_from_binary.hpp>
#include <boost/archive/iterators/binary_from_base64.hpp>
#include <boost/archive/iterators/transform_width.hpp>

#include <algorithm>

namespace sigrun {
namespace iterators = boost::archive::iterators;

std::string to_base64(std::string_view bytes) {
    using encode = iterators::base64_from_binary<iterators::transform_width<const char*, 6, 8>>;
    std::string out(encode(bytes.data()), encode(bytes.data() + bytes.size()));
    out.append((3 - bytes.size() % 3) % 3, '=');
    return out;
}

std::optional<std::string> from_base64(std::string_view text) {
    while (!text.empty() && text.back() == '=') text.remove_suffix(1);
    auto in_alphabet = [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '/';
    };
    if (text.size() % 4 == 1 || !std::all_of(text.begin(), text.end(), in_alphabet)) return std::nullopt;
    using decode = iterators::transform_width<iterators::binary_from_base64<std::string::const_iterator>, 8, 6>;
    // The iterators read whole groups; pad with zero bits and cut to the length the text really has.
    std::string padded(text);
    padded.append((4 - padded.size() % 4) % 4, 'A');
    std::string out(decode(padded.cbegin()), decode(padded.cend()));
    out.resize(text.size() * 3 / 4);
    return out;
}

}  // namespace sigrun
