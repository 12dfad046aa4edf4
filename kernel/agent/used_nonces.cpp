#include "kernel/agent/used_nonces.hpp"

#include "kernel/guard/ed25519.hpp"

#include <sigrun/cpp/crc32c.hpp>
#include <sigrun/cpp/text.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>

namespace sigrun {
namespace {

constexpr std::string_view k_head = "sigrun-signed-jobs 1\n";
constexpr std::size_t k_largest_file = std::size_t{256} << 20;
constexpr std::size_t k_few_lines = 256;              // not worth to write the file anew
constexpr std::size_t k_nonce_digits = 32;            // of a nonce, and of the hash of a job's id
constexpr std::int64_t k_minute_ns = 60'000'000'000;  // what is kept beyond its end, and how often it is looked for

std::string_view take_word(std::string_view& line) {
    const auto space = line.find(' ');
    const auto word = line.substr(0, space);
    line.remove_prefix(space == line.npos ? line.size() : space + 1);
    return word;
}

template <class Number>
bool take_number(std::string_view& line, Number& out) {
    const auto word = take_word(line);
    const auto* end = word.data() + word.size();
    const auto read = std::from_chars(word.data(), end, out);
    return read.ec == std::errc{} && read.ptr == end;
}

bool is_hex(std::string_view word) {
    return word.size() == k_nonce_digits && word.find_first_not_of("0123456789abcdef") == word.npos;
}

// " 0123abcd"
std::string crc_of(std::string_view text) {
    char out[10];
    std::snprintf(out, sizeof out, " %08x", static_cast<unsigned>(sdk::crc32c().feed(text).value()));
    return out;
}

// The job never runs here.
problem refused_for_good(std::string field, std::string expected, std::string found) {
    auto p = bad_value(std::move(field), std::move(expected), std::move(found));
    p.code = errc::conflict;
    return p;
}

}  // namespace

std::string used_nonces::line_of(std::string_view nonce, const entry& e) {
    auto line = sdk::concat(nonce, ' ', e.expires_ns, ' ', e.starts, ' ', e.job);
    return line + crc_of(line) + '\n';
}

void used_nonces::put(entries& into, std::string_view nonce, const entry& e) {
    if (e.starts)
        into[std::string(nonce)] = e;
    else
        into.erase(std::string(nonce));
}

bool used_nonces::take_line(std::string_view line, entries& into) {
    const auto crc = line.rfind(' ');
    if (crc == line.npos || line.substr(crc) != crc_of(line.substr(0, crc))) return false;
    line = line.substr(0, crc);
    const auto nonce = take_word(line);
    entry e;
    if (!is_hex(nonce) || !take_number(line, e.expires_ns) || !take_number(line, e.starts) || !is_hex(line))
        return false;
    e.job = line;
    put(into, nonce, e);
    return true;
}

void used_nonces::forget_expired(std::int64_t wall_ns) {
    std::erase_if(all_, [&](const auto& each) { return each.second.expires_ns < wall_ns - k_minute_ns; });
    next_sweep_ns_ = wall_ns + k_minute_ns;
}

result<used_nonces::entries> used_nonces::read() const {
    entries out;
    auto text = read_file(file_, k_largest_file);
    if (!text && text.error().code == errc::not_found) return out;
    if (!text) return text.error();
    std::string_view rest = *text;
    bool whole = rest.substr(0, k_head.size()) == k_head;
    if (whole) rest.remove_prefix(k_head.size());
    // What comes after the last end of a line was cut off by a crash, before the job of it began.
    for (auto end = rest.find('\n'); whole && end != rest.npos; end = rest.find('\n')) {
        whole = take_line(rest.substr(0, end), out);
        rest.remove_prefix(end + 1);
    }
    if (whole) return out;
    return problem{errc::io, "the list of signed jobs that have begun is damaged", file_, "lines as they were written",
                   "another one; without it signed jobs could be run again: remove it only if that is no harm"};
}

// What it has in memory is not given up for what is in the file.
result<void> used_nonces::open(std::int64_t wall_ns) {
    if (open_) return {};
    if (!file_.empty()) {
        SIGRUN_TRY(in_file, read());
        for (auto& [nonce, e] : in_file)
            if (auto [at, fresh] = all_.try_emplace(nonce, e); !fresh && at->second.starts < e.starts)
                at->second.starts = e.starts;
        forget_expired(wall_ns);
        SIGRUN_CHECK_OK(rewrite());
    }
    open_ = true;
    return {};
}

result<void> used_nonces::rewrite() {
    std::string text(k_head);
    for (const auto& [nonce, e] : all_) text += line_of(nonce, e);
    SIGRUN_CHECK_OK(write_whole_file(file_, text, 0600));
    owned_fd fd(::open(file_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
    if (!fd) return system_problem("cannot open", file_);
    fd_ = std::make_shared<const owned_fd>(std::move(fd));
    lines_ = all_.size();
    bytes_ = text.size();
    synced_ = written_;
    return {};
}

// Neither removed nor changed by somebody else.
bool used_nonces::is_ours() const {
    struct stat held {};
    struct stat named {};
    return ::fstat(fd_->get(), &held) == 0 && ::lstat(file_.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev && held.st_size == static_cast<off_t>(bytes_);
}

result<void> used_nonces::append(std::string_view nonce, const entry& e) {
    if (!file_.empty()) {
        if (lines_ > k_few_lines && lines_ > 2 * all_.size()) SIGRUN_CHECK_OK(rewrite());
        const auto line = line_of(nonce, e);
        ssize_t n = -1;
        do n = ::write(fd_->get(), line.data(), line.size());
        while (n < 0 && errno == EINTR);
        if (n != static_cast<ssize_t>(line.size())) {
            open_ = false;  // a part of a line may be there: it is read and written anew before the next one
            return system_problem("cannot write", file_);
        }
        ++lines_;
        ++written_;
        bytes_ += line.size();
    }
    put(all_, nonce, e);
    return {};
}

result<void> used_nonces::reach_disk(held_lock& lock, std::uint64_t line) {
    while (synced_ < line) {
        // A sync that failed is not believed when it is tried again: the file is written anew first.
        if (!open_) return make_problem(errc::io, "'" + file_ + "' could not be brought to the disk");
        if (syncing_) {
            was_synced_.wait(lock);
            continue;
        }
        syncing_ = true;
        const auto all = written_;
        const auto fd = fd_;
        lock.unlock();
        const bool done = ::fdatasync(fd->get()) == 0;
        lock.lock();
        syncing_ = false;
        if (done)
            synced_ = std::max(synced_, all);
        else if (fd == fd_)
            open_ = false;
        was_synced_.notify_all();
    }
    return {};
}

result<void> used_nonces::use(std::string_view nonce, std::string_view job, std::int64_t expires_ns,
                              std::uint32_t most) {
    held_lock lock(mutex_);
    // Once: what is forgotten by this time is too late by it.
    const auto now_ns = clock_.wall_ns();
    SIGRUN_CHECK_OK(open(now_ns));
    if (now_ns >= next_sweep_ns_) forget_expired(now_ns);
    if (now_ns > expires_ns)
        return refused_for_good("signature.expires", "a time that has not passed", to_rfc3339(expires_ns));
    entry now{sha256_hex(job).substr(0, k_nonce_digits), expires_ns, 1};
    if (const auto known = all_.find(std::string(nonce)); known != all_.end()) {
        if (known->second.job != now.job)
            return refused_for_good("signature.nonce", "one that has not been used: a signed job runs once",
                                    sdk::concat(nonce, ", with which another job began here"));
        if (known->second.starts >= most)
            return refused_for_good("signature.nonce", sdk::concat("at most ", most, " attempts here, as retry allows"),
                                    "another one");
        now.starts = known->second.starts + 1;
    } else if (all_.size() >= k_most) {
        return problem{errc::busy, "too many signed jobs have begun here whose signatures are still good", "", "", "",
                       1000};
    }
    if (!file_.empty() && !is_ours()) {
        open_ = false;
        return problem{errc::io, "the list of signed jobs that have begun was changed by somebody else", file_};
    }
    SIGRUN_CHECK_OK(append(nonce, now));
    return reach_disk(lock, written_);
}

void used_nonces::give_back(std::string_view nonce, std::string_view job) {
    held_lock lock(mutex_);
    const auto known = all_.find(std::string(nonce));
    if (!open_ || known == all_.end() || known->second.job != sha256_hex(job).substr(0, k_nonce_digits)) return;
    auto now = known->second;
    --now.starts;
    if (!append(nonce, now)) open_ = false;
}

std::size_t used_nonces::size() const {
    std::lock_guard lock(mutex_);
    return all_.size();
}

}  // namespace sigrun
