#include "kernel/job/submit_keys.hpp"

#include "kernel/base/json.hpp"
#include "kernel/base/quantity.hpp"
#include "kernel/guard/ed25519.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace sigrun {
namespace {

std::string joint(const std::string& tenant, const std::string& key) { return tenant + '\x1f' + key; }

void append_canonical(std::string& out, const json::value& v) {
    if (const auto* o = v.if_object()) {
        std::vector<const json::key_value_pair*> members;
        for (const auto& m : *o) members.push_back(&m);
        std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->key() < b->key(); });
        out += '{';
        for (const auto* m : members) {
            out += json::serialize(json::value(m->key())) + ':';
            append_canonical(out, m->value());
            out += ',';
        }
        out += '}';
    } else if (const auto* a = v.if_array()) {
        out += '[';
        for (const auto& each : *a) {
            append_canonical(out, each);
            out += ',';
        }
        out += ']';
    } else if (const auto* d = v.if_double(); d && std::nearbyint(*d) == *d && std::abs(*d) < 9007199254740992.0) {
        out += std::to_string(static_cast<std::int64_t>(*d));  // 1.0 and 1e0 are 1
    } else {
        out += json::serialize(v);
    }
}

std::uint8_t digit(char c) noexcept { return static_cast<std::uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); }

submit_keys::fingerprint from_hex(std::string_view hex) noexcept {
    submit_keys::fingerprint f{};
    for (std::size_t i = 0; i < f.size() && 2 * i + 1 < hex.size(); ++i)
        f[i] = static_cast<std::uint8_t>(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return f;
}

std::string to_hex(const submit_keys::fingerprint& f) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (auto byte : f) {
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

submit_keys::fingerprint of_number(std::uint64_t n) noexcept {
    submit_keys::fingerprint f{};
    for (std::size_t i = 0; i < 8; ++i) f[i] = static_cast<std::uint8_t>(n >> 8 * i);
    return f;
}
std::uint64_t number_of(const submit_keys::fingerprint& f) noexcept {
    std::uint64_t n = 0;
    for (std::size_t i = 0; i < 8; ++i) n |= std::uint64_t{f[i]} << 8 * i;
    return n;
}

// As earlier versions did; only to read what they left.
std::uint64_t old_hash(std::string_view document, std::string_view payload) {
    std::size_t h = std::hash<std::string_view>{}(document);
    return h ^ (std::hash<std::string_view>{}(payload) + 0x9E3779B97F4A7C15ull + (h << 6));
}

journal_record removal(const std::string& key) { return {record_kind::idempotency, key, {}, SIGRUN_RECORD_DELETE}; }

}  // namespace

submit_keys::fingerprint submit_keys::fingerprint_of(std::string_view document, std::string_view payload) {
    std::string canonical;
    if (auto parsed = parse_object(document)) {
        parsed->erase("payload");
        append_canonical(canonical, *parsed);
    } else {
        canonical = document;
    }
    canonical += '\0';  // no canonical document has one: where it ends and the payload begins is beyond doubt
    canonical += payload;
    return from_hex(sha256_hex(canonical));
}

void submit_keys::limit(nanoseconds keep, std::size_t most) {
    std::lock_guard lock(mutex_);
    keep_ = keep;
    most_ = most;
}

bool submit_keys::over(std::int64_t finished_ns, std::int64_t now_ns) const noexcept {
    return now_ns - finished_ns >= keep_.count();
}

result<std::optional<submit_keys::holder>> submit_keys::take(const std::string& tenant, const std::string& key,
                                                             const id& job, std::string_view document,
                                                             std::string_view payload) {
    const auto print = fingerprint_of(document, payload);
    std::lock_guard lock(mutex_);
    if (auto it = keys_.find(joint(tenant, key)); it != keys_.end()) {
        const entry& e = it->second;
        holder h{e.job, e.old_print ? number_of(e.print) == old_hash(document, payload) : e.print == print, {}};
        if (e.past) h.past = *e.past;
        return std::optional(std::move(h));
    }
    if (keys_.size() >= most_)
        return problem{errc::busy,
                       "too many idempotency keys are remembered",
                       "jobs.max_keys",
                       "fewer than " + std::to_string(most_) + " keys; each lives for " + format_duration(keep_) +
                           " after the end of its job",
                       std::to_string(keys_.size()),
                       60'000};
    keys_.emplace(joint(tenant, key), entry{job, print, false, true, nullptr});
    return std::optional<holder>();
}

void submit_keys::drop(const std::string& tenant, const std::string& key) {
    std::lock_guard lock(mutex_);
    if (auto it = keys_.find(joint(tenant, key)); it != keys_.end() && !it->second.past) keys_.erase(it);
}

journal_record submit_keys::record(const table::value_type& of) const {
    const auto& [key, e] = of;
    json::object o{{"job", e.job.text()}};
    if (e.old_print)
        o["hash"] = std::to_string(number_of(e.print));
    else
        o["body"] = to_hex(e.print);
    if (e.past) {
        o["state"] = to_string(e.past->state);
        if (e.past->exit_code) o["exit_code"] = *e.past->exit_code;
        if (e.past->why.cls != failure_class::none)
            o["failure"] = {
                {"class", to_string(e.past->why.cls)}, {"code", e.past->why.code}, {"message", e.past->why.message}};
        o["submitted_ns"] = e.past->submitted_ns;
        o["started_ns"] = e.past->started_ns;
        o["finished_ns"] = e.past->finished_ns;
    }
    return {record_kind::idempotency, key, json::serialize(o), 0};
}

journal_record submit_keys::record_of(const std::string& tenant, const std::string& key) const {
    std::lock_guard lock(mutex_);
    auto it = keys_.find(joint(tenant, key));
    return it == keys_.end() ? removal(joint(tenant, key)) : record(*it);
}

journal_record submit_keys::retire(const std::string& tenant, const std::string& key, past_job what, bool stored,
                                   std::int64_t now_ns) {
    std::lock_guard lock(mutex_);
    auto it = keys_.find(joint(tenant, key));
    if (it == keys_.end()) return removal(joint(tenant, key));
    if (over(what.finished_ns, now_ns)) {
        auto gone = removal(it->first);
        keys_.erase(it);
        return gone;
    }
    ended_.emplace(what.finished_ns, &it->first);
    it->second.stored = stored;
    it->second.past = std::make_unique<past_job>(std::move(what));
    return record(*it);
}

std::vector<journal_record> submit_keys::expire(std::int64_t now_ns, std::size_t most) {
    std::vector<journal_record> gone;
    std::lock_guard lock(mutex_);
    for (; !ended_.empty() && most && over(ended_.top().first, now_ns); ended_.pop(), --most) {
        auto it = keys_.find(*ended_.top().second);
        if (it->second.stored) gone.push_back(removal(it->first));
        keys_.erase(it);
    }
    return gone;
}

void submit_keys::restore(std::string_view key, std::string_view body) {
    auto o = parse_object(body);
    auto job = o ? id::parse(text_or(*o, "job")) : std::nullopt;
    if (!job) return;
    entry e{*job, from_hex(text_or(*o, "body")), false, true, nullptr};
    if (const auto old = text_or(*o, "hash"); !old.empty()) {
        std::uint64_t n = 0;
        std::from_chars(old.data(), old.data() + old.size(), n);
        e.print = of_number(n);
        e.old_print = true;
    }
    if (auto state = parse_job_state(text_or(*o, "state"))) {
        past_job p;
        p.state = *state;
        if (o->contains("exit_code")) p.exit_code = number_or<int>(*o, "exit_code", 0);
        if (const auto* why = object_or_null(*o, "failure"))
            p.why = {parse_failure_class(text_or(*why, "class")), std::string(text_or(*why, "code")),
                     std::string(text_or(*why, "message"))};
        p.submitted_ns = number_or<std::int64_t>(*o, "submitted_ns", 0);
        p.started_ns = number_or<std::int64_t>(*o, "started_ns", 0);
        p.finished_ns = number_or<std::int64_t>(*o, "finished_ns", 0);
        e.past = std::make_unique<past_job>(std::move(p));
    }
    std::lock_guard lock(mutex_);
    const auto [it, fresh] = keys_.insert_or_assign(std::string(key), std::move(e));
    if (it->second.past) ended_.emplace(it->second.past->finished_ns, &it->first);
}

std::vector<journal_record> submit_keys::remove_orphans(const std::function<bool(const id&)>& known) {
    std::vector<journal_record> gone;
    std::lock_guard lock(mutex_);
    for (auto it = keys_.begin(); it != keys_.end();) {
        if (it->second.past || known(it->second.job)) {
            ++it;
            continue;
        }
        gone.push_back(removal(it->first));
        it = keys_.erase(it);
    }
    return gone;
}

std::size_t submit_keys::size() const {
    std::lock_guard lock(mutex_);
    return keys_.size();
}

}  // namespace sigrun
