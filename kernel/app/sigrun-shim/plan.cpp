#include "plan.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sigrun::shim {
namespace {

bool read_exactly(int fd, char* to, std::size_t n) {
    while (n > 0) {
        ssize_t got = ::read(fd, to, n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        to += got;
        n -= static_cast<std::size_t>(got);
    }
    return true;
}

// Takes strings off a body; null when the body is used up.
class strings {
public:
    strings(char* begin, char* end) : at_(begin), end_(end) {}
    char* next() {
        auto* stop = static_cast<char*>(std::memchr(at_, 0, static_cast<std::size_t>(end_ - at_)));
        if (!stop) return nullptr;
        char* found = at_;
        at_ = stop + 1;
        return found;
    }
    bool done() const { return at_ == end_; }

private:
    char* at_;
    char* end_;
};

bool take(strings& from, std::uint32_t n, std::vector<char*>& to) {
    for (std::uint32_t i = 0; i < n; ++i) {
        char* one = from.next();
        if (!one) return false;
        to.push_back(one);
    }
    to.push_back(nullptr);
    return true;
}

constexpr std::uint32_t k_most_groups = 65536, k_most_filter = 4096, k_most_writable = 256;
constexpr std::size_t k_instruction = 8;  // of BPF

// The setting and what follows it; `begin` moves behind it.
bool take_setting(plan& out, std::size_t& begin) {
    if (out.storage.size() - begin < sizeof out.setting) return false;
    std::memcpy(&out.setting, out.storage.data() + begin, sizeof out.setting);
    begin += sizeof out.setting;
    const auto& s = out.setting;
    if (s.n_groups > k_most_groups || s.n_filter > k_most_filter || s.n_writable > k_most_writable) return false;
    const auto groups = s.n_groups * sizeof(std::uint32_t), filter = s.n_filter * k_instruction;
    if (out.storage.size() - begin < groups + filter) return false;
    out.groups = out.storage.data() + begin;
    out.filter = out.storage.data() + begin + groups;
    begin += groups + filter;
    return true;
}

}  // namespace

bool read_plan(int control, plan& out) {
    sigrun_shim_head head{};
    if (!read_exactly(control, reinterpret_cast<char*>(&head), sizeof head)) return false;
    if (head.type != SIGRUN_SHIM_START || head.length > SIGRUN_SHIM_MAX_MESSAGE) return false;
    sigrun_shim_start start{};
    if (head.length < sizeof start) return false;
    out.storage.resize(head.length);
    if (!read_exactly(control, out.storage.data(), out.storage.size())) return false;
    std::memcpy(&start, out.storage.data(), sizeof start);

    std::size_t begin = sizeof start;
    out.limited = (start.flags & SIGRUN_SHIM_LIMITED) != 0;
    if (out.limited) {
        if (out.storage.size() - begin < sizeof out.limits) return false;
        std::memcpy(&out.limits, out.storage.data() + begin, sizeof out.limits);
        begin += sizeof out.limits;
    } else {
        out.limits.address_space = out.limits.processes = out.limits.open_files = SIGRUN_SHIM_NO_LIMIT;
        out.limits.file_size = out.limits.core = SIGRUN_SHIM_NO_LIMIT;
    }
    const bool set = (start.flags & SIGRUN_SHIM_SET) != 0;
    if (set && !take_setting(out, begin)) return false;
    std::size_t room = out.storage.size() - begin;
    if (start.n_steps == 0 || start.n_steps > room / sizeof(std::uint32_t)) return false;
    std::vector<std::uint32_t> counts(start.n_steps);
    std::memcpy(counts.data(), out.storage.data() + begin, counts.size() * sizeof(std::uint32_t));

    std::size_t texts = begin + counts.size() * sizeof(std::uint32_t);
    strings from(out.storage.data() + texts, out.storage.data() + out.storage.size());
    out.terms = start;
    out.workdir = from.next();
    if (out.workdir && (out.limited || set) && !(out.workspace = from.next())) return false;
    if (!out.workdir || !take(from, start.n_env, out.environment)) return false;
    if (!take(from, out.setting.n_writable, out.writable)) return false;
    out.writable.pop_back();  // no list for exec
    for (std::uint32_t n : counts) {
        out.steps.emplace_back();
        out.may_fail.push_back((n & SIGRUN_SHIM_STEP_MAY_FAIL) != 0);
        n &= ~SIGRUN_SHIM_STEP_MAY_FAIL;
        if (n == 0 || !take(from, n, out.steps.back())) return false;
    }
    for (std::uint32_t i = 0; i < start.n_secrets; ++i) {
        const char* secret = from.next();
        if (!secret) return false;
        out.secrets.emplace_back(secret);
    }
    return from.done();
}

}  // namespace sigrun::shim
