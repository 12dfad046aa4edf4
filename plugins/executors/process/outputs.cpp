#include "outputs.hpp"

#include "descriptor.hpp"

#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

namespace sigrun::process {
namespace {

constexpr std::size_t k_most_key = 128;
constexpr std::size_t k_most_shown = 40;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_key(std::string_view key) {
    auto fits = [](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '.'; };
    return !key.empty() && key.size() <= k_most_key && is_letter(key.front()) &&
           std::all_of(key.begin(), key.end(), fits);
}

// No overlong forms, no surrogates, nothing above U+10FFFF.
bool is_text(std::string_view s) {
    for (std::size_t i = 0; i < s.size();) {
        const auto lead = static_cast<unsigned char>(s[i]);
        const std::size_t n = lead < 0x80                   ? 1
                              : lead >= 0xC2 && lead < 0xE0 ? 2
                              : lead >= 0xE0 && lead < 0xF0 ? 3
                              : lead >= 0xF0 && lead < 0xF5 ? 4
                                                            : 0;
        if (n == 0 || i + n > s.size()) return false;
        std::uint32_t point = n == 1 ? lead : lead & (0xFFu >> (n + 1));
        for (std::size_t k = 1; k < n; ++k) {
            const auto next = static_cast<unsigned char>(s[i + k]);
            if ((next & 0xC0) != 0x80) return false;
            point = point << 6 | (next & 0x3F);
        }
        if ((n == 3 && point < 0x800) || (n == 4 && point < 0x10000) || (point >= 0xD800 && point < 0xE000) ||
            point > 0x10FFFF)
            return false;
        i += n;
    }
    return true;
}

class reading {
public:
    explicit reading(std::string_view text) : rest_(text) {}

    job_outputs take() {
        while (!rest_.empty()) {
            const auto line = next_line();
            if (!line.empty()) take_line(line);
        }
        return std::move(found_);
    }

private:
    std::string_view next_line() {
        const auto end = std::min(rest_.find('\n'), rest_.size());
        const auto line = rest_.substr(0, end);
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        ++line_;
        return line;
    }

    void take_line(std::string_view line) {
        const auto at = line_;
        const auto equals = line.find('='), here = line.find("<<");
        if (here != std::string_view::npos && (equals == std::string_view::npos || here < equals)) {
            const auto key = line.substr(0, here), end = line.substr(here + 2);
            if (!is_key(key)) return warn_of_key(at, key);
            if (end.empty()) return warn(at, "expected a word behind \"<<\", found nothing");
            return take_lines(at, key, end);
        }
        if (equals == std::string_view::npos)
            return warn(at, sdk::concat("expected KEY=VALUE or KEY<<WORD, found ", shown(line)));
        const auto key = line.substr(0, equals);
        if (!is_key(key)) return warn_of_key(at, key);
        put(at, key, line.substr(equals + 1));
    }

    void take_lines(std::size_t at, std::string_view key, std::string_view end) {
        const char* begin = rest_.data();
        while (!rest_.empty()) {
            const auto line = next_line();
            if (line != end) continue;
            auto value = std::string_view(begin, static_cast<std::size_t>(line.data() - begin));
            if (!value.empty()) value.remove_suffix(1);  // the line end in front of the word
            return put(at, key, value);
        }
        warn(at, sdk::concat("expected a line ", shown(end), " that ends ", key, ", found the end of the file"));
    }

    void put(std::size_t at, std::string_view key, std::string_view value) {
        if (!is_text(value))
            return warn(at, sdk::concat("expected UTF-8 in the value of ", key, ", found other bytes"));
        const auto known = std::find_if(found_.values.begin(), found_.values.end(),
                                        [&](const auto& each) { return each.first == key; });
        if (known != found_.values.end())
            known->second = value;
        else
            found_.values.emplace_back(key, value);
    }

    static std::string shown(std::string_view text) {
        std::string out = "\"";
        for (char c : text.substr(0, k_most_shown)) out += c >= ' ' && c < 127 && c != '"' ? c : '?';
        return out + (text.size() > k_most_shown ? "...\"" : "\"");
    }

    void warn_of_key(std::size_t at, std::string_view key) {
        warn(at,
             sdk::concat(
                 "expected a key of letters, digits, \"_\", \"-\" and \".\" that does not begin with a digit, found ",
                 shown(key)));
    }

    void warn(std::size_t at, std::string_view what) {
        if (found_.warnings.size() < k_most_warnings) found_.warnings.push_back(sdk::concat("line ", at, ": ", what));
    }

    std::string_view rest_;
    std::size_t line_ = 0;
    job_outputs found_;
};

job_outputs only(std::string warning) {
    job_outputs out;
    out.warnings.push_back(std::move(warning));
    return out;
}

}  // namespace

std::string output_path(const std::string& workspace) { return sdk::concat(workspace, "/.sigrun-output"); }

job_outputs parse_outputs(std::string_view text) { return reading(text).take(); }

job_outputs read_outputs(const std::string& workspace) {
    // A pipe or a link that the job has put there must neither stop nor mislead the one who reads.
    const descriptor file(::open(output_path(workspace).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!file && errno == ENOENT) return {};
    struct stat about {};
    if (!file || ::fstat(file.get(), &about) != 0)
        return only(sdk::concat("the file cannot be read: ", std::strerror(errno)));
    if (!S_ISREG(about.st_mode)) return only("expected a plain file, found something else");
    std::string text(k_most_output + 1, '\0');
    std::size_t size = 0;
    while (size < text.size()) {
        const ssize_t n = ::read(file.get(), text.data() + size, text.size() - size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return only(sdk::concat("the file cannot be read: ", std::strerror(errno)));
        if (n == 0) break;
        size += static_cast<std::size_t>(n);
    }
    if (size > k_most_output) {
        job_outputs out;
        out.too_large = std::max<std::uint64_t>(static_cast<std::uint64_t>(about.st_size), size);
        return out;
    }
    return parse_outputs(std::string_view(text).substr(0, size));
}

}  // namespace sigrun::process
