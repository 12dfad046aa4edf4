#include "kernel/agent/used_nonces.hpp"

#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <vector>

namespace sigrun {
namespace {

constexpr std::size_t k_largest_file = std::size_t{256} << 20;
constexpr std::size_t k_few_lines = 256;             // not worth to write the file anew
constexpr std::int64_t k_sweep_ns = 60'000'000'000;  // expired ones are looked for so often

template <class Number>
bool take_number(std::string_view& line, Number& out) {
    const auto space = line.find(' ');
    const auto word = line.substr(0, space);
    line.remove_prefix(space == line.npos ? line.size() : space + 1);
    const auto* end = word.data() + word.size();
    const auto read = std::from_chars(word.data(), end, out);
    return read.ec == std::errc{} && read.ptr == end;
}

}  // namespace

std::string used_nonces::line_of(std::string_view nonce, const entry& e) {
    return sdk::concat(nonce, ' ', e.expires_ns, ' ', e.starts, ' ', e.job, '\n');
}

void used_nonces::forget_expired(std::int64_t wall_ns) {
    std::erase_if(all_, [&](const auto& each) { return each.second.expires_ns < wall_ns; });
    next_sweep_ns_ = wall_ns + k_sweep_ns;
}

result<void> used_nonces::open(std::int64_t wall_ns) {
    if (open_) return {};
    if (!file_.empty()) {
        auto text = read_file(file_, k_largest_file);
        if (!text && text.error().code != errc::not_found) return text.error();
        std::string_view rest = text ? std::string_view(*text) : std::string_view();
        // What comes after the last end of a line was cut off by a crash, before the job of it began.
        for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
            auto line = rest.substr(0, end);
            rest.remove_prefix(end + 1);
            const auto nonce = line.substr(0, line.find(' '));
            line.remove_prefix(std::min(line.size(), nonce.size() + 1));
            entry e;
            if (!take_number(line, e.expires_ns) || !take_number(line, e.starts))
                return problem{
                    errc::io, "the list of signed jobs that have begun is damaged", file_,
                    "lines NONCE EXPIRES_NS STARTS JOB",
                    "another one; without it signed jobs could be run again: remove it only if that is no harm"};
            e.job = line;
            all_[std::string(nonce)] = std::move(e);
        }
        forget_expired(wall_ns);
        SIGRUN_CHECK_OK(rewrite());
    }
    open_ = true;
    return {};
}

result<void> used_nonces::rewrite() {
    std::string text;
    for (const auto& [nonce, e] : all_) text += line_of(nonce, e);
    SIGRUN_CHECK_OK(write_whole_file(file_, text, 0600));
    owned_fd fd(::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return system_problem("cannot open", file_);
    fd_ = std::move(fd);
    lines_ = all_.size();
    return {};
}

result<void> used_nonces::use(std::string_view nonce, std::string_view job, std::int64_t expires_ns, std::uint32_t most,
                              std::int64_t wall_ns) {
    std::lock_guard lock(mutex_);
    SIGRUN_CHECK_OK(open(wall_ns));
    if (wall_ns >= next_sweep_ns_) forget_expired(wall_ns);
    const auto known = all_.find(std::string(nonce));
    entry now{std::string(job), expires_ns, 1};
    if (known != all_.end()) {
        if (known->second.job != job)
            return bad_value("signature.nonce", "one that has not been used: a signed job runs once",
                             sdk::concat(nonce, ", with which job ", known->second.job, " began here"));
        if (known->second.starts >= most)
            return bad_value("signature.nonce", sdk::concat("at most ", most, " attempts here, as retry allows"),
                             "another one");
        now.starts = known->second.starts + 1;
    } else if (all_.size() >= k_most) {
        return problem{errc::busy, "too many signed jobs have begun here whose signatures are still good", "", "", "",
                       1000};
    }
    if (!file_.empty()) {
        if (lines_ > k_few_lines && lines_ > 2 * all_.size()) SIGRUN_CHECK_OK(rewrite());
        const auto line = line_of(nonce, now);
        ssize_t n = -1;
        do n = ::write(fd_.get(), line.data(), line.size());
        while (n < 0 && errno == EINTR);
        if (n != static_cast<ssize_t>(line.size()) || ::fdatasync(fd_.get()) != 0) {
            const auto why = system_problem("cannot write", file_);
            open_ = false;  // a part of a line may be there: it is read and written anew before the next one
            all_.clear();
            return why;
        }
        ++lines_;
    }
    all_[std::string(nonce)] = std::move(now);
    return {};
}

std::size_t used_nonces::size() const {
    std::lock_guard lock(mutex_);
    return all_.size();
}

}  // namespace sigrun
