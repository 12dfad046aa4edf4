// sigrun/cpp/cpulist.hpp: sets of processor (or node) numbers as the kernel writes them: "0-3,8,10-11".
// Header-only.
#pragma once

#include <sigrun/cpp/procfs.hpp>

#include <bit>

namespace sigrun::sdk {

/// A set of numbers below 65,536.
class cpu_set {
public:
    static constexpr std::size_t k_limit = 65'536;

    bool add(std::uint64_t n) {
        if (n >= k_limit) return false;
        const auto word = static_cast<std::size_t>(n / 64);
        if (word >= words_.size()) words_.resize(word + 1);
        words_[word] |= std::uint64_t{1} << (n % 64);
        return true;
    }
    bool has(std::uint64_t n) const noexcept {
        return n / 64 < words_.size() && (words_[static_cast<std::size_t>(n / 64)] >> (n % 64) & 1);
    }
    std::size_t count() const noexcept {
        std::size_t n = 0;
        for (auto w : words_) n += static_cast<std::size_t>(std::popcount(w));
        return n;
    }
    bool empty() const noexcept { return count() == 0; }
    cpu_set operator&(const cpu_set& other) const {
        cpu_set both;
        both.words_.resize(std::min(words_.size(), other.words_.size()));
        for (std::size_t i = 0; i < both.words_.size(); ++i) both.words_[i] = words_[i] & other.words_[i];
        return both;
    }
    std::vector<std::uint32_t> numbers() const {
        std::vector<std::uint32_t> out;
        for (std::size_t i = 0; i < words_.size() * 64; ++i)
            if (has(i)) out.push_back(static_cast<std::uint32_t>(i));
        return out;
    }
    /// "0-3,8": what parse_cpulist reads.
    std::string text() const {
        std::string out;
        for (std::size_t i = 0; i < words_.size() * 64; ++i) {
            if (!has(i)) continue;
            std::size_t last = i;
            while (has(last + 1)) ++last;
            if (!out.empty()) out += ',';
            out += std::to_string(i);
            if (last > i) out.append("-").append(std::to_string(last));
            i = last;
        }
        return out;
    }

private:
    std::vector<std::uint64_t> words_;
};

/// Nothing if the text is anything but a list of numbers and rising ranges; an empty text is the empty set.
inline std::optional<cpu_set> parse_cpulist(std::string_view text) {
    cpu_set set;
    text = trimmed(text);
    while (!text.empty()) {
        const auto comma = text.find(',');
        const auto part = text.substr(0, comma);
        if (comma != text.npos && comma + 1 == text.size()) return std::nullopt;
        text = comma == text.npos ? std::string_view() : text.substr(comma + 1);
        const auto dash = part.find('-');
        const auto first = parse_u64(part.substr(0, dash));
        const auto last = dash == part.npos ? first : parse_u64(part.substr(dash + 1));
        if (!first || !last || *last < *first || *last >= cpu_set::k_limit) return std::nullopt;
        for (auto n = *first; n <= *last; ++n) set.add(n);
    }
    return set;
}

}  // namespace sigrun::sdk
