#include "kernel/auth/token_store.hpp"

#include "kernel/base/id.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/private_file.hpp"

#include <sigrun/cpp/text.hpp>

#include <sys/stat.h>

#include <algorithm>
#include <array>

namespace sigrun {
namespace {

constexpr std::string_view k_prefix = "sgt_";
constexpr std::size_t k_id_digits = 16;
constexpr std::size_t k_secret_bytes = 32;
constexpr std::size_t k_text = k_prefix.size() + k_id_digits + 1 + 2 * k_secret_bytes;
constexpr std::size_t k_max_file = std::size_t{64} << 20;
constexpr std::array<std::string_view, 3> k_kinds{"token", "join", "runner"};

std::string_view name_of(token_record::kind_t kind) { return k_kinds[static_cast<std::size_t>(kind)]; }

json::object file_form(const token_record& r) {
    auto o = r.to_json();
    o["sha256"] = r.sha256;
    o["created_ns"] = r.created_ns;
    o["expires_ns"] = r.expires_ns;
    if (!r.old_sha256.empty()) {
        o["old_sha256"] = r.old_sha256;
        o["old_until_ns"] = r.old_until_ns;
    }
    o.erase("created");
    o.erase("expires");
    o.erase("old_secret_until");
    return o;
}

result<token_record> read_record(const json::value& v) {
    if (!v.is_object()) return bad_value("tokens", "objects", "something else");
    const auto& o = v.as_object();
    token_record r;
    r.id = text_or(o, "id");
    r.name = text_or(o, "name");
    r.sha256 = text_or(o, "sha256");
    r.runners = text_or(o, "runners");
    r.tenant = text_or(o, "tenant");
    r.old_sha256 = text_or(o, "old_sha256");
    const auto kind = std::find(k_kinds.begin(), k_kinds.end(), text_or(o, "kind"));
    const auto grants = parse_role(text_or(o, "role"));
    boost::system::error_code ec;
    const auto* created = o.if_contains("created_ns");
    const auto* expires = o.if_contains("expires_ns");
    if (created) r.created_ns = created->to_number<std::int64_t>(ec);
    if (!ec && expires) r.expires_ns = expires->to_number<std::int64_t>(ec);
    if (const auto* old = o.if_contains("old_until_ns"); !ec && old) r.old_until_ns = old->to_number<std::int64_t>(ec);
    if (r.id.empty() || r.sha256.size() != 64 || kind == k_kinds.end() || !grants || ec)
        return bad_value("tokens", "id, kind, role, sha256, created_ns and expires_ns",
                         json::serialize(v).substr(0, 80));
    r.kind = static_cast<token_record::kind_t>(kind - k_kinds.begin());
    r.grants = *grants;
    if (const auto* labels = o.if_contains("labels"); labels && labels->is_object())
        for (const auto& [k, value] : labels->as_object())
            if (value.is_string()) r.labels[std::string(k)] = value.get_string();
    return r;
}

}  // namespace

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
    if (a.size() != b.size()) return false;
    volatile unsigned char differs = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        differs = static_cast<unsigned char>(differs | static_cast<unsigned char>(a[i] ^ b[i]));
    return differs == 0;
}

json::object token_record::to_json() const {
    json::object o{{"id", id},
                   {"kind", name_of(kind)},
                   {"name", name},
                   {"role", to_string(grants)},
                   {"runners", runners},
                   {"created", to_rfc3339(created_ns)},
                   {"expires", expires_ns ? json::value(to_rfc3339(expires_ns)) : json::value(nullptr)}};
    json::object wanted;
    for (const auto& [k, v] : labels) wanted[k] = v;
    o["labels"] = std::move(wanted);
    if (!tenant.empty()) o["tenant"] = tenant;
    if (old_until_ns) o["old_secret_until"] = to_rfc3339(old_until_ns);
    return o;
}

result<void> token_store::open(const std::string& path) {
    std::lock_guard lock(mutex_);
    path_ = path;
    records_.clear();
    revision_.fetch_add(1, std::memory_order_acq_rel);
    struct stat about {};
    if (::stat(path.c_str(), &about) == 0 && (about.st_mode & 077))
        return problem{errc::forbidden, "the tokens can be read by others", "auth.tokens", "a file of mode 0600",
                       path + "; chmod 600 " + path};
    auto text = read_file(path, k_max_file);
    if (!text) return text.error().code == errc::not_found ? result<void>() : result<void>(text.error());
    auto all = parse_object(*text);
    const auto* list = all ? all->if_contains("tokens") : nullptr;
    if (!list || !list->is_array())
        return problem{errc::invalid, "damaged", "auth.tokens", "a file that `sigrun token` wrote", path};
    for (const auto& each : list->as_array()) {
        SIGRUN_TRY(r, read_record(each));
        records_[r.id] = std::move(r);
    }
    return {};
}

result<void> token_store::save(const std::map<std::string, token_record, std::less<>>& records) const {
    if (path_.empty()) return make_problem(errc::unavailable, "there is no file for tokens");
    json::array all;
    for (const auto& [id, r] : records) all.push_back(file_form(r));
    return write_whole_file(path_, json::serialize(json::object{{"version", 1}, {"tokens", std::move(all)}}), 0600);
}

result<issued_token> token_store::create(const token_request& wanted) {
    issued_token out;
    auto& r = out.record;
    const auto secret = random_secret(k_secret_bytes);
    r.id = random_secret(k_id_digits / 2);
    r.kind = wanted.join ? token_record::kind_t::join : token_record::kind_t::token;
    r.name = wanted.name;
    r.grants = wanted.join ? role::runner : wanted.grants;
    r.sha256 = sha256_hex(secret);
    r.created_ns = time_.wall_ns();
    r.expires_ns = wanted.life.count() ? r.created_ns + wanted.life.count() : 0;
    r.runners = wanted.runners;
    r.labels = wanted.labels;
    r.tenant = wanted.tenant;
    out.text = std::string(k_prefix) + r.id + "_" + secret;
    std::lock_guard lock(mutex_);
    auto fresh = records_;
    std::erase_if(fresh, [now = r.created_ns](const auto& e) { return e.second.expired(now); });
    if (fresh.size() >= k_max_records)
        return problem{errc::conflict, "too many tokens", "", "at most " + std::to_string(k_max_records), "one more"};
    fresh[r.id] = r;
    SIGRUN_CHECK_OK(replace_locked(std::move(fresh)));
    return out;
}

// By id, or by name if only one has it.
result<token_record> token_store::named_locked(std::string_view id_or_name) const {
    auto at = records_.find(id_or_name);
    if (at == records_.end()) {
        for (auto it = records_.begin(); it != records_.end(); ++it) {
            if (it->second.name != id_or_name) continue;
            if (at != records_.end())
                return problem{errc::conflict, "several have this name", "token", "an id of `sigrun token ls`",
                               "\"" + std::string(id_or_name) + "\""};
            at = it;
        }
    }
    if (at == records_.end())
        return problem{errc::not_found, "no such token", "token", "an id or name of `sigrun token ls`",
                       "\"" + std::string(id_or_name.substr(0, 80)) + "\""};
    return at->second;
}

// On the disk first.
result<void> token_store::replace_locked(std::map<std::string, token_record, std::less<>> fresh) {
    SIGRUN_CHECK_OK(save(fresh));
    records_.swap(fresh);
    revision_.fetch_add(1, std::memory_order_acq_rel);
    return {};
}

result<token_record> token_store::remove(std::string_view id_or_name) {
    std::lock_guard lock(mutex_);
    SIGRUN_TRY(gone, named_locked(id_or_name));
    auto fresh = records_;
    fresh.erase(gone.id);
    SIGRUN_CHECK_OK(replace_locked(std::move(fresh)));
    return gone;
}

result<issued_token> token_store::rotate(std::string_view id_or_name, nanoseconds overlap) {
    std::lock_guard lock(mutex_);
    SIGRUN_TRY(r, named_locked(id_or_name));
    if (r.kind != token_record::kind_t::token)
        return bad_value("token", "a token that is shown with every call",
                         sdk::concat(r.kind == token_record::kind_t::join ? "a join token" : "a runner's identity",
                                     "; make another one, and remove this one"));
    const auto now = time_.wall_ns();
    if (r.expired(now)) return problem{errc::not_found, "it has expired", "token", "a token that is valid", r.id};
    const auto secret = random_secret(k_secret_bytes);
    r.old_sha256 = overlap.count() > 0 ? r.sha256 : std::string();
    r.old_until_ns = overlap.count() > 0 ? now + overlap.count() : 0;
    r.sha256 = sha256_hex(secret);
    auto fresh = records_;
    fresh[r.id] = r;
    SIGRUN_CHECK_OK(replace_locked(std::move(fresh)));
    return issued_token{r, sdk::concat(k_prefix, r.id, "_", secret)};
}

std::vector<token_record> token_store::list() const {
    std::vector<token_record> out;
    {
        std::lock_guard lock(mutex_);
        for (const auto& [id, r] : records_) out.push_back(r);
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.created_ns < b.created_ns; });
    return out;
}

std::optional<token_record> token_store::find_locked(std::string_view text) const {
    if (text.size() != k_text || text.substr(0, k_prefix.size()) != k_prefix) return {};
    const auto id = text.substr(k_prefix.size(), k_id_digits);
    if (text[k_prefix.size() + k_id_digits] != '_') return {};
    const auto at = records_.find(id);
    if (at == records_.end() || at->second.kind == token_record::kind_t::runner) return {};
    const auto hash = sha256_hex(text.substr(k_prefix.size() + k_id_digits + 1));
    const auto& r = at->second;
    const auto now = time_.wall_ns();
    const bool is_new = equal_in_constant_time(hash, r.sha256);
    const bool is_old = equal_in_constant_time(hash, r.old_sha256) && now < r.old_until_ns;
    if ((!is_new && !is_old) || r.expired(now)) return {};
    auto found = r;
    // Who looks again when it has expired is to find that the old secret is none any more.
    if (!is_new && (!found.expires_ns || found.expires_ns > r.old_until_ns)) found.expires_ns = r.old_until_ns;
    return found;
}

std::optional<token_record> token_store::find(std::string_view text) const {
    std::lock_guard lock(mutex_);
    return find_locked(text);
}

bool token_store::is_runner(std::string_view name, std::string_view key_sha256) const {
    std::lock_guard lock(mutex_);
    for (const auto& [id, r] : records_)
        if (r.kind == token_record::kind_t::runner && r.name == name && equal_in_constant_time(r.sha256, key_sha256))
            return true;
    return false;
}

result<void> token_store::join(std::string_view text, const std::string& name, const std::string& key_sha256,
                               const token_labels& labels) {
    std::lock_guard lock(mutex_);
    const auto found = find_locked(text);
    if (!found || found->kind != token_record::kind_t::join)
        return problem{errc::unauthenticated, "the join token is unknown, expired or used up", "auth",
                       "a fresh one of `sigrun token create --join`", "another text"};
    if (!matches_glob(found->runners, name))
        return problem{errc::forbidden, "the join token is for other names", "name", "one like " + found->runners,
                       name};
    for (const auto& [k, v] : found->labels) {
        const auto own = labels.find(k);
        if (own == labels.end() || own->second != v)
            return problem{errc::forbidden, "the join token is for runners with other labels", "labels." + k, v,
                           own == labels.end() ? "nothing" : own->second};
    }
    // Else anybody with a token could take the place of a runner that is there.
    for (const auto& [id, r] : records_)
        if (r.kind == token_record::kind_t::runner && r.name == name)
            return problem{errc::conflict, "a runner of this name has joined with another key", "name",
                           "another name, or `sigrun token rm " + r.id + "` first", name};
    token_record me;
    me.id = random_secret(k_id_digits / 2);
    me.kind = token_record::kind_t::runner;
    me.name = name;
    me.grants = role::runner;
    me.sha256 = key_sha256;
    me.created_ns = time_.wall_ns();
    me.runners = name;
    auto fresh = records_;
    fresh.erase(found->id);
    fresh[me.id] = me;
    return replace_locked(std::move(fresh));
}

}  // namespace sigrun
