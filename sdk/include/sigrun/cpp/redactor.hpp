// sigrun/cpp/redactor.hpp: replaces secrets in a stream of bytes by ***, also where one is split over any number of writes.
//
// Aho and Corasick: each byte is looked at once, whatever the number of patterns. What could still become a secret is held back,
// at most as many bytes as the longest pattern has, until it has or cannot any more. Header-only, pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun::sdk {

inline constexpr std::string_view k_redacted = "***";

/// What is looked for. Immutable once made; shared by the redactors of several streams.
class secret_patterns {
public:
    /// A secret that is shorter would make *** of half of what a job prints.
    static constexpr std::size_t k_shortest = 4;
    /// A line of a longer secret is one by itself, if it has so many bytes.
    static constexpr std::size_t k_shortest_line = 8;

    secret_patterns() = default;
    /// Each value as it is, its lines, and its base64: alone or within something longer, with either alphabet. Values that
    /// are shorter than k_shortest are left out. Takes about 20 bytes of memory for each of 10 times the bytes of all values.
    explicit secret_patterns(const std::vector<std::string>& values) {
        for (const auto& value : values) {
            if (value.size() < k_shortest) continue;
            add(value);
            add_lines(value);
            add_base64(value);
        }
        link();
    }

    bool empty() const noexcept { return nodes_.size() == 1; }
    std::size_t longest() const noexcept { return longest_; }

private:
    friend class redactor;
    struct node {
        std::uint32_t first = 0, next = 0;  // child, sibling; 0 = none
        std::uint32_t fail = 0;             // the longest other beginning of a pattern that ends here
        std::uint32_t depth = 0;
        std::uint32_t match = 0;  // bytes of the longest pattern that ends here
        unsigned char byte = 0;
    };

    std::uint32_t child(std::uint32_t of, unsigned char byte) const noexcept {
        if (of == 0) return root_[byte];
        auto at = nodes_[of].first;
        while (at && nodes_[at].byte != byte) at = nodes_[at].next;
        return at;
    }
    std::uint32_t step(std::uint32_t from, unsigned char byte) const noexcept {
        for (;; from = nodes_[from].fail) {
            if (const auto to = child(from, byte)) return to;
            if (from == 0) return 0;
        }
    }

    void add(std::string_view pattern) {
        std::uint32_t at = 0;
        for (const char c : pattern) {
            const auto byte = static_cast<unsigned char>(c);
            auto to = child(at, byte);
            if (!to) {
                to = static_cast<std::uint32_t>(nodes_.size());
                nodes_.push_back({0, at ? nodes_[at].first : 0, 0, nodes_[at].depth + 1, 0, byte});
                (at ? nodes_[at].first : root_[byte]) = to;
            }
            at = to;
        }
        nodes_[at].match = static_cast<std::uint32_t>(pattern.size());
        longest_ = std::max(longest_, pattern.size());
    }

    void add_lines(std::string_view value) {
        if (value.find('\n') == std::string_view::npos) return;
        while (!value.empty()) {
            const auto end = std::min(value.find('\n'), value.size());
            auto line = value.substr(0, end);
            if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
            if (line.size() >= k_shortest_line) add(line);
            value.remove_prefix(std::min(end + 1, value.size()));
        }
    }

    // The characters that depend on the value alone, for each place it can have in what is encoded.
    void add_base64(std::string_view value) {
        for (std::size_t before = 0; before < 3; ++before) {
            const auto bits = (before + value.size()) * 8;
            const auto skip = (before * 8 + 5) / 6;
            auto text = base64(std::string(before, '\0') + std::string(value));
            if (before == 0) add_alphabets(text);
            text.resize(bits / 6);
            text.erase(0, skip);
            if (text.size() >= k_shortest) add_alphabets(text);
        }
    }
    void add_alphabets(std::string text) {
        add(text);
        for (char& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
        add(text);
    }
    static std::string base64(std::string_view from) {
        static constexpr char k_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        std::string out;
        for (std::size_t i = 0; i < from.size(); i += 3) {
            std::uint32_t group = 0;
            for (std::size_t k = 0; k < 3; ++k)
                group = group << 8 | (i + k < from.size() ? static_cast<unsigned char>(from[i + k]) : 0);
            for (std::size_t k = 0; k < 4; ++k) out += i + k > from.size() ? '=' : k_digits[group >> (18 - 6 * k) & 63];
        }
        return out;
    }

    void link() {
        // Level by level: what a node falls back to is shorter than itself.
        std::vector<std::uint32_t> order;
        order.reserve(nodes_.size());
        for (const auto first : root_)
            if (first) order.push_back(first);
        for (std::size_t i = 0; i < order.size(); ++i) {
            for (auto at = nodes_[order[i]].first; at; at = nodes_[at].next) {
                nodes_[at].fail = step(nodes_[order[i]].fail, nodes_[at].byte);
                nodes_[at].match = std::max(nodes_[at].match, nodes_[nodes_[at].fail].match);
                order.push_back(at);
            }
        }
    }

    std::vector<node> nodes_ = std::vector<node>(1);
    std::array<std::uint32_t, 256> root_{};
    std::size_t longest_ = 0;
};

/// One stream. Not thread-safe; borrows the patterns.
class redactor {
public:
    explicit redactor(const secret_patterns& what) : what_(&what) {}

    /// Appends to `out` what can be told now. That is never more than `bytes` and what was held together.
    void feed(std::string_view bytes, std::string& out) {
        auto at = held_.size();
        held_ += bytes;
        while (at < held_.size()) {
            const auto byte = static_cast<unsigned char>(held_[at++]);
            state_ = state_ == 0 ? what_->root_[byte] : what_->step(state_, byte);
            if (const auto length = what_->nodes_[state_].match) found(at - length, at);
        }
        // A match to come begins within what the state stands for.
        give(held_.size() - what_->nodes_[state_].depth, out);
    }
    /// The stream has ended.
    void end(std::string& out) {
        give(held_.size(), out);
        state_ = 0;
    }
    /// Bytes that are held back.
    std::size_t held() const noexcept { return held_.size(); }

private:
    void found(std::size_t begin, std::size_t end) {
        while (!found_.empty() && found_.back().second > begin) {
            begin = std::min(begin, found_.back().first);
            found_.pop_back();
        }
        found_.emplace_back(begin, end);
    }
    void give(std::size_t end, std::string& out) {
        std::size_t at = 0, given = 0;
        for (; given < found_.size() && found_[given].first < end; ++given) {
            auto& each = found_[given];
            out.append(held_, at, each.first - at);
            if (!std::exchange(told_, false)) out.append(k_redacted);
            at = std::min(each.second, end);
            if (each.second <= end) continue;
            // What is to come may overlap it, and then is the same secret to who reads.
            each.first = end;
            told_ = true;
            break;
        }
        out.append(held_, at, end - at);
        found_.erase(found_.begin(), found_.begin() + static_cast<std::ptrdiff_t>(given));
        for (auto& each : found_) each = {each.first - end, each.second - end};
        held_.erase(0, end);
    }

    const secret_patterns* what_;
    std::uint32_t state_ = 0;
    std::string held_;
    std::vector<std::pair<std::size_t, std::size_t>> found_;  // secrets in it, in order, that do not overlap
    bool told_ = false;                                       // of the first of them, which began before it
};

/// All of a text at once.
inline std::string redact(const secret_patterns& what, std::string_view text) {
    std::string out;
    redactor one(what);
    one.feed(text, out);
    one.end(out);
    return out;
}

}  // namespace sigrun::sdk
