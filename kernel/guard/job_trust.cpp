#include "kernel/guard/job_trust.hpp"

#include "kernel/base/quantity.hpp"
#include "kernel/guard/ed25519.hpp"
#include "kernel/guard/folder_check.hpp"
#include "kernel/guard/private_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <utility>

namespace sigrun {
namespace {

namespace fs = std::filesystem;

// A key that was given more time or another scope is another file by this, and so is one put back with its old name.
result<std::string> looks_of(const std::string& folder) {
    std::vector<std::string> files;
    std::error_code ec;
    for (fs::directory_iterator it(folder, ec), end; !ec && it != end; it.increment(ec)) files.push_back(it->path());
    if (ec) return make_problem(errc::io, "the folder of keys '" + folder + "' cannot be read: " + ec.message());
    std::sort(files.begin(), files.end());
    std::string out;
    for (const auto& path : files) {
        struct stat s {};
        if (::stat(path.c_str(), &s) != 0) continue;
        for (auto n : {static_cast<long long>(s.st_ino), static_cast<long long>(s.st_size),
                       static_cast<long long>(s.st_mode), static_cast<long long>(s.st_uid),
                       static_cast<long long>(s.st_ctim.tv_sec), static_cast<long long>(s.st_ctim.tv_nsec)})
            out += std::to_string(n) + ' ';
        out += path + '\n';
    }
    return out;
}

result<void> in_scope(const trusted_key& key, std::string_view scope, const std::string& value,
                      const std::string& field) {
    if (key.covers(scope, value)) return {};
    return bad_value(field, "one that " + key.name + " may sign for (" + key.scope_text(scope) + ")",
                     "\"" + value + "\"");
}

result<void> label_in_scope(const trusted_key& key, const json::object& document) {
    if (!key.scopes.contains("labels")) return {};
    if (const auto* labels = object_or_null(document, "labels"))
        for (const auto& [name, value] : *labels)
            if (value.is_string() &&
                key.covers("labels", std::string(name) + "=" + std::string(std::string_view(value.get_string()))))
                return {};
    return bad_value("labels", "one that " + key.name + " may sign for (" + key.scope_text("labels") + ")", "none");
}

}  // namespace

result<job_trust_options> read_job_trust(const bound_section& section, const std::string& beside) {
    using mode = job_trust_options::mode;
    job_trust_options o;
    const auto word = section.text("job_signature");
    o.wanted = word == "require" ? mode::require : word == "warn" ? mode::warn : mode::off;
    if (section.has("job_trust"))
        o.folder = section.text("job_trust");
    else if (!beside.empty())
        o.folder = beside + "/job-trust.d";
    o.longest = nanoseconds(section.integer("job_signature_lifetime"));
    if (o.wanted != mode::off && o.folder.empty())
        return bad_value("security.job_trust", "a folder of public keys, as security.job_signature is " + word,
                         "nothing, and no configuration file beside which job-trust.d could be");
    return o;
}

result<job_signer> check_signed_job(const trust_store& trusted, const json::object& document, std::string_view payload,
                                    const job_signature& signature, std::int64_t wall_ns, nanoseconds longest) {
    SIGRUN_TRY(key, trusted.usable_key(signature.key_id, wall_ns));
    // First whether it is one at all: only then what it says is worth a complaint of its own.
    SIGRUN_CHECK_OK(verify_job(document, payload, signature, key->pem));
    const auto text = sha256_hex(signed_job_text(signature, field_hashes(document, payload)));
    if (auto why = trusted.revoked(text))
        return bad_value("signature", "one that is not revoked", text + (why->empty() ? "" : ": " + *why));
    if (wall_ns > signature.expires_ns)
        return bad_value("signature.expires", "a time that has not passed", signature.expires);
    if (signature.expires_ns - wall_ns > longest.count())
        return bad_value("signature.expires", "a time within " + format_duration(longest), signature.expires);
    SIGRUN_CHECK_OK(in_scope(*key, "tenants", std::string(text_or(document, "tenant")), "tenant"));
    SIGRUN_CHECK_OK(in_scope(*key, "kinds", std::string(text_or(document, "kind", "process")), "kind"));
    SIGRUN_CHECK_OK(in_scope(*key, "users", std::string(text_or(document, "user")), "user"));
    SIGRUN_CHECK_OK(in_scope(*key, "queues", std::string(text_or(document, "queue", "default")), "queue"));
    SIGRUN_CHECK_OK(label_in_scope(*key, document));
    return job_signer{key->id, key->name};
}

result<std::shared_ptr<const trust_store>> job_trust::now() {
    std::lock_guard lock(mutex_);
    if (folder_.empty()) return std::make_shared<const trust_store>();
    const auto now = std::chrono::steady_clock::now();
    if (keys_ && now < look_again_) return keys_;
    const auto before = std::exchange(keys_, nullptr);
    // Each time: rights of a folder above it do not show in its files.
    SIGRUN_TRY(folder, checked_folder::open(folder_, checked_folder::writers::owner_alone));
    SIGRUN_TRY(looks, looks_of(folder_));
    if (before && looks == seen_) {
        keys_ = before;
    } else {
        SIGRUN_TRY(read, trust_store::read(folder, k_job_scopes));
        keys_ = std::make_shared<const trust_store>(std::move(read));
        seen_ = std::move(looks);
    }
    look_again_ = now + look_each_;
    return keys_;
}

std::vector<std::string> usable_key_ids(const trust_store& keys, std::int64_t wall_ns) {
    std::vector<std::string> out;
    for (const auto& each : keys.keys())
        if (!each.expired(wall_ns)) out.push_back(each.id);
    std::sort(out.begin(), out.end());
    out.erase(std::unique(out.begin(), out.end()), out.end());
    return out;
}

}  // namespace sigrun
