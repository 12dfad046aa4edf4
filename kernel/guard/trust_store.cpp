#include "kernel/guard/trust_store.hpp"

#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/private_file.hpp"
#include "kernel/log/loggers.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

namespace sigrun {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view k_end = "-----END PUBLIC KEY-----";
constexpr std::size_t k_max_key = 64 * 1024, k_max_revoked = 4 * 1024 * 1024;

std::string_view trim(std::string_view t) {
    while (!t.empty() && (t.front() == ' ' || t.front() == '\t')) t.remove_prefix(1);
    while (!t.empty() && (t.back() == ' ' || t.back() == '\t' || t.back() == '\r')) t.remove_suffix(1);
    return t;
}

template <class Each>
void for_each_line(std::string_view text, Each each) {
    for (std::size_t number = 1; !text.empty(); ++number) {
        const auto end = text.find('\n');
        each(trim(text.substr(0, end)), number);
        text = end == text.npos ? std::string_view() : text.substr(end + 1);
    }
}

// "sigrun.*" covers what begins with "sigrun."; without a star the whole id.
bool matches(std::string_view pattern, std::string_view id) {
    if (pattern.ends_with('*')) return id.starts_with(pattern.substr(0, pattern.size() - 1));
    return id == pattern;
}

bool is_day(std::string_view text) {
    if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
    int y = 0, m = 0, d = 0;
    auto number = [&](std::size_t at, std::size_t n, int& to) {
        const auto* end = text.data() + at + n;
        return std::from_chars(text.data() + at, end, to).ptr == end;
    };
    return number(0, 4, y) && number(5, 2, m) && number(8, 2, d) && m >= 1 && m <= 12 && d >= 1 && d <= 31;
}

bool is_sha256(std::string_view text) {
    return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

}  // namespace

bool trusted_key::covers(std::string_view scope, std::string_view value) const {
    const auto found = scopes.find(scope);
    return found == scopes.end() || std::any_of(found->second.begin(), found->second.end(),
                                                [&](const auto& pattern) { return matches(pattern, value); });
}

std::string trusted_key::scope_text(std::string_view scope) const {
    std::string out;
    if (const auto found = scopes.find(scope); found != scopes.end())
        for (const auto& each : found->second) out += (out.empty() ? "" : ", ") + each;
    return out;
}

bool trusted_key::expired(std::int64_t wall_ns) const {
    // Days compare as text, and today's is the first part of the time.
    return !expires.empty() && to_rfc3339(wall_ns).substr(0, 10) > expires;
}

result<trusted_key> parse_trusted_key(std::string_view text, std::string name, key_scopes scopes) {
    trusted_key out;
    const auto begin = text.find("-----BEGIN");
    if (begin == text.npos) return bad_value(name, "a public key in PEM", "none");
    // What was meant to narrow it must not be passed over.
    const auto last = text.find_last_not_of(" \t\r\n");
    if (!text.substr(0, last + 1).ends_with(k_end) || text.find("-----END", begin) + k_end.size() != last + 1)
        return bad_value(name, "one public key in PEM, and nothing after it: what narrows it stands before it",
                         "something else");
    problem wrong;
    for_each_line(text.substr(0, begin), [&](std::string_view line, std::size_t number) {
        if (line.empty() || line.front() == '#') return;
        const auto colon = std::min(line.find(':'), line.size());
        const auto word = line.substr(0, colon);
        if (std::find(scopes.begin(), scopes.end(), word) != scopes.end() && colon < line.size()) {
            auto& patterns = out.scopes[std::string(word)];
            for (auto rest = line.substr(colon + 1); !rest.empty();) {
                const auto comma = rest.find(',');
                if (auto pattern = trim(rest.substr(0, comma)); !pattern.empty()) patterns.emplace_back(pattern);
                rest = comma == rest.npos ? std::string_view() : rest.substr(comma + 1);
            }
            if (!patterns.empty()) return;
        } else if (line.starts_with("expires:")) {
            out.expires = trim(line.substr(8));
            if (is_day(out.expires)) return;
        }
        std::string expected;
        for (const auto& each : scopes) expected += "\"" + std::string(each) + ": PATTERN, ...\" or ";
        wrong = bad_value(name + ":" + std::to_string(number), expected + "\"expires: YYYY-MM-DD\"",
                          "\"" + std::string(line.substr(0, 60)) + "\"");
    });
    if (!wrong.field.empty()) return wrong;
    out.pem = text.substr(begin);
    SIGRUN_TRY(id, ed25519_key_id(out.pem));
    out.id = std::move(id);
    out.name = std::move(name);
    return out;
}

result<trust_store> trust_store::read(const std::string& folder, key_scopes scopes) {
    trust_store out;
    out.folder_ = folder;
    std::error_code ec;
    if (folder.empty() || !fs::is_directory(folder, ec)) return out;
    SIGRUN_CHECK_OK(out.fill(
        [&](const std::string& name, std::size_t limit) { return read_file(folder + "/" + name, limit); }, scopes));
    return out;
}

result<trust_store> trust_store::read(const checked_folder& folder, key_scopes scopes) {
    trust_store out;
    out.folder_ = folder.path();
    SIGRUN_CHECK_OK(out.fill(
        [&](const std::string& name, std::size_t limit) { return folder.read_own_file(name, limit); }, scopes));
    return out;
}

result<void> trust_store::fill(const reader& file, key_scopes scopes) {
    std::error_code ec;
    std::vector<std::string> names;
    for (fs::directory_iterator it(folder_, ec), end; !ec && it != end; it.increment(ec))
        if (it->path().extension() == ".pub") names.push_back(it->path().filename());
    if (ec)
        return make_problem(errc::io, "the folder of trusted keys '" + folder_ + "' cannot be read: " + ec.message());
    std::sort(names.begin(), names.end());
    for (const auto& name : names) {
        auto text = file(name, k_max_key);
        auto key = text ? parse_trusted_key(*text, name, scopes) : result<trusted_key>(text.error());
        if (key)
            keep(std::move(*key));
        else
            SIGRUN_LOG(logs::guard, error, "the key ", folder_, "/", name, " counts for nothing: ", key.error().text());
    }
    std::erase_if(keys_, [](const trusted_key& each) { return each.pem.empty(); });
    return fill_revoked(file);
}

// Of a key that is there twice neither file counts: which of two limits was meant nobody can tell.
void trust_store::keep(trusted_key key) {
    for (auto& before : keys_)
        if (before.id == key.id) {
            SIGRUN_LOG(logs::guard, error, "the key ", key.id, " counts for nothing: ", before.name, " and ", key.name,
                       " in ", folder_, " both have it");
            before.pem.clear();
            return;
        }
    keys_.push_back(std::move(key));
}

result<void> trust_store::fill_revoked(const reader& file) {
    auto text = file("revoked", k_max_revoked);
    if (!text && text.error().code == errc::not_found) return {};
    if (!text) return text.error();
    problem wrong;
    for_each_line(*text, [&](std::string_view line, std::size_t number) {
        if (line.empty() || line.front() == '#') return;
        const auto hash = line.substr(0, line.find_first_of(" \t"));
        if (!is_sha256(hash))
            wrong = bad_value(folder_ + "/revoked:" + std::to_string(number), "a SHA-256 in 64 lower-case hex digits",
                              "\"" + std::string(hash.substr(0, 80)) + "\"");
        revoked_.emplace_back(hash, trim(line.substr(hash.size())));
    });
    if (!wrong.field.empty()) return wrong;
    return {};
}

std::optional<std::string> trust_store::revoked(std::string_view sha256) const {
    for (const auto& [hash, text] : revoked_)
        if (hash == sha256) return text;
    return std::nullopt;
}

result<const trusted_key*> trust_store::usable_key(std::string_view id, std::int64_t wall_ns) const {
    const std::string where = folder_.empty() ? "the trusted keys (there is no folder of them)" : folder_;
    const trusted_key* key = nullptr;
    for (const auto& each : keys_)
        if (each.id == id) key = &each;
    if (!key)
        return bad_value("signature's key", keys_.empty() ? "one of " + where + ", which has none" : "one of " + where,
                         std::string(id));
    if (key->expired(wall_ns))
        return bad_value("signature's key", "one that has not expired",
                         key->name + ", which expired after " + key->expires);
    return key;
}

result<std::string> trust_store::check(std::string_view file_bytes, std::string_view signature_text,
                                       std::string_view plugin, std::int64_t wall_ns) const {
    if (signature_text.empty())
        return bad_value("signature",
                         "a file FILE.sig beside the plugin, by a key of " +
                             (folder_.empty() ? "the trusted keys (there is no trust.d)" : folder_),
                         "none");
    SIGRUN_TRY(signature, parse_plugin_signature(signature_text));
    SIGRUN_TRY(key, usable_key(signature.key_id, wall_ns));
    if (!key->covers("plugins", plugin))
        return bad_value("plugin id", "one that " + key->name + " may sign (" + key->scope_text("plugins") + ")",
                         std::string(plugin));
    SIGRUN_TRY(right, verify_plugin(file_bytes, signature, key->pem));
    if (!right)
        return bad_value("signature", "one over these bytes by " + key->name,
                         "one over other bytes, or by another key");
    return key->name;
}

}  // namespace sigrun
