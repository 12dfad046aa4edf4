#include "kernel/guard/job_signature.hpp"

#include "kernel/base/base64.hpp"
#include "kernel/base/clock.hpp"
#include "kernel/base/id.hpp"
#include "kernel/base/rfc3339.hpp"
#include "kernel/guard/ed25519.hpp"

#include <algorithm>
#include <cmath>

namespace sigrun {
namespace {

constexpr std::size_t k_most_fields = 128, k_longest_name = 128;

bool is_hex(std::string_view text, std::size_t digits) {
    return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string shown(std::string_view text) { return "\"" + std::string(text.substr(0, 60)) + "\""; }

// Boost.JSON reads numbers of 16 digits and more with an error in the last place, and on its way to the runner a document is read and
// written several times. `name`: of the number that does not stay the same, as "retry.memory_factor".
bool survives_copies(const json::value& v, std::string& name) {
    if (const auto* o = v.if_object()) {
        for (const auto& [key, value] : *o)
            if (!survives_copies(value, name)) {
                name = std::string(key) + (name.empty() || name[0] == '[' ? "" : ".") + name;
                return false;
            }
    } else if (const auto* a = v.if_array()) {
        for (std::size_t i = 0; i < a->size(); ++i)
            if (!survives_copies((*a)[i], name)) {
                name = "[" + std::to_string(i) + "]" + (name.empty() || name[0] == '[' ? "" : ".") + name;
                return false;
            }
    } else if (v.is_double()) {
        boost::system::error_code ec;
        const auto again = json::parse(json::serialize(v), ec);
        return !ec && again == v;
    }
    return true;
}

json::array names_of(const json::object& o) {
    std::vector<std::string> names;
    for (const auto& member : o) names.emplace_back(member.key());
    std::sort(names.begin(), names.end());
    return json::array(names.begin(), names.end());
}

bool is_empty(const json::value& v) { return v.is_null() || (v.is_object() && v.get_object().empty()); }

// "command, env and payload"; "" if the hashes are not those that were signed, or there is no difference.
std::string differing(const job_signature& told, const std::map<std::string, std::string>& now,
                      std::string_view public_pem) {
    const auto authentic = ed25519_verify(public_pem, signed_job_text(told, told.fields), told.bytes);
    if (!authentic || !*authentic) return {};
    std::string out;
    auto add = [&](const std::string& name) { out += (out.empty() ? "" : ", ") + name; };
    for (const auto& [name, hash] : now)
        if (const auto was = told.fields.find(name); was == told.fields.end() || was->second != hash) add(name);
    for (const auto& [name, hash] : told.fields)
        if (!now.contains(name)) add(name);
    return out;
}

}  // namespace

// Two ways to write a number, or an object, mean the same to whoever runs the job.
json::value canonical_json(const json::value& v) {
    if (const auto* o = v.if_object()) {
        std::map<std::string_view, const json::value*> sorted;
        for (const auto& [name, value] : *o) sorted.emplace(name, &value);
        json::object out;
        for (const auto& [name, value] : sorted) out[name] = canonical_json(*value);
        return out;
    }
    if (const auto* a = v.if_array()) {
        json::array out;
        for (const auto& item : *a) out.push_back(canonical_json(item));
        return out;
    }
    constexpr double k_exact = 9007199254740992;  // 2^53
    if (const auto* d = v.if_double(); d && std::abs(*d) < k_exact && std::trunc(*d) == *d)
        return static_cast<std::int64_t>(*d);
    return v;
}

json::object job_signature::to_json() const {
    json::object hashes;
    for (const auto& [name, hash] : fields) hashes[name] = hash;
    return {{"key", key_id},
            {"nonce", nonce},
            {"expires", expires},
            {"value", to_base64(bytes)},
            {"fields", std::move(hashes)}};
}

result<job_signature> parse_job_signature(const json::value& field) {
    const auto* o = field.if_object();
    if (!o) return bad_value("signature", "an object, as `sigrun job sign` makes it", "something else");
    job_signature out;
    for (const auto& [name, value] : *o) {
        const auto path = "signature." + std::string(name);
        if (name == "fields") {
            const auto* hashes = value.if_object();
            if (!hashes || hashes->size() > k_most_fields)
                return bad_value(path, "an object of at most 128 hashes", hashes ? "more" : "something else");
            for (const auto& [of, hash] : *hashes) {
                if (!hash.is_string() || !is_hex(hash.get_string(), 64) || of.size() > k_longest_name)
                    return bad_value(path, "names of fields, each with a SHA-256 in 64 lower-case hex digits",
                                     shown(of));
                out.fields[of] = hash.get_string();
            }
            continue;
        }
        std::string* const into = name == "key"       ? &out.key_id
                                  : name == "nonce"   ? &out.nonce
                                  : name == "expires" ? &out.expires
                                  : name == "value"   ? &out.bytes
                                                      : nullptr;
        if (!into)
            return problem{errc::unknown_field, "unknown field", path, "one of key, nonce, expires, value, fields",
                           shown(name)};
        if (!value.is_string()) return bad_value(path, "a text", "something else");
        *into = value.get_string();
    }
    if (!is_hex(out.key_id, 16)) return bad_value("signature.key", "16 lower-case hex digits", shown(out.key_id));
    if (!is_hex(out.nonce, 32)) return bad_value("signature.nonce", "32 lower-case hex digits", shown(out.nonce));
    const auto expires = parse_rfc3339(out.expires);
    if (!expires || out.expires.size() > 40)
        return bad_value("signature.expires", "a time such as 2026-01-05T10:00:00Z", shown(out.expires));
    out.expires_ns = *expires;
    const auto bytes = from_base64(out.bytes);
    if (!bytes || bytes->size() != 64)
        return bad_value("signature.value", "64 bytes in base64",
                         bytes ? std::to_string(bytes->size()) + " bytes" : "other characters");
    out.bytes = *bytes;
    return out;
}

result<std::string> payload_of(const json::object& document) {
    const auto* v = document.if_contains("payload");
    if (!v || v->is_null()) return std::string();
    if (v->is_string()) return std::string(v->get_string());
    const auto* o = v->if_object();
    const auto* text = o && o->size() == 1 ? o->if_contains("base64") : nullptr;
    if (!text || !text->is_string())
        return bad_value("payload", "a text, {\"base64\": text} or null", "something else");
    auto raw = from_base64(text->get_string());
    if (!raw) return bad_value("payload.base64", "base64 text", "other characters");
    return std::move(*raw);
}

std::map<std::string, std::string> field_hashes(const json::object& document, std::string_view payload) {
    std::map<std::string, std::string> out;
    for (const auto& [key, value] : document) {
        const std::string name(key);
        if (name == "signature" || name == "payload" || (name == "env" && is_empty(value))) continue;
        const auto* secrets = name == "secrets" ? value.if_object() : nullptr;
        out[name] = sha256_hex(json::serialize(secrets ? json::value(names_of(*secrets)) : canonical_json(value)));
    }
    if (!payload.empty()) out["payload"] = sha256_hex(payload);
    return out;
}

std::string signed_job_text(const job_signature& terms, const std::map<std::string, std::string>& hashes) {
    std::string out(k_job_signature_context);
    out += "\nkey: " + terms.key_id + "\nnonce: " + terms.nonce + "\nexpires: " + terms.expires + "\n";
    for (const auto& [name, hash] : hashes) out += json::serialize(json::string(name)) + ": " + hash + "\n";
    return out;
}

result<job_signature> sign_job(const json::object& document, std::string_view payload, std::string_view private_pem,
                               std::int64_t expires_ns, std::string nonce) {
    if (std::string name; !survives_copies(document, name))
        return bad_value(name, "a number of at most 15 digits, which programs on its way copy exactly", "a longer one");
    SIGRUN_TRY(open, ed25519_public_of(private_pem));
    SIGRUN_TRY(id, ed25519_key_id(open));
    job_signature out;
    out.key_id = id;
    out.nonce = nonce.empty() ? sha256_hex(random_secret(32)).substr(0, 32) : std::move(nonce);
    out.expires = to_rfc3339(expires_ns);
    out.expires_ns = expires_ns;
    out.fields = field_hashes(document, payload);
    SIGRUN_TRY(bytes, ed25519_sign(private_pem, signed_job_text(out, out.fields)));
    out.bytes = bytes;
    return out;
}

result<void> verify_job(const json::object& document, std::string_view payload, const job_signature& signature,
                        std::string_view public_pem) {
    const auto now = field_hashes(document, payload);
    SIGRUN_TRY(right, ed25519_verify(public_pem, signed_job_text(signature, now), signature.bytes));
    if (right) return {};
    const auto others = differing(signature, now, public_pem);
    return bad_value(
        "signature", "one over this job by its key",
        others.empty() ? "one over another job, or by another key" : "one over a job with another value of: " + others);
}

}  // namespace sigrun
